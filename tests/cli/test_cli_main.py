import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import pytest

import tacit
from tacit.cli import main as cli
from tacit.cli import verbs
from tacit.cli.main import VERBS, main
from tacit.cli.parser import Usage
from tacit.errors import DataError, Interrupted, TrainingError

Capture = pytest.CaptureFixture[str]
HEAVY = {"torch", "numpy", "sklearn", "PIL", "matplotlib", "pandas", "lightning_fabric"}


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Puts another verb in the place of ``checks``."""

    def put(run: Callable[[Any, Any], None]) -> None:
        module = type("Verb", (), {"usage": staticmethod(lambda words: Usage("checks", "")), "run": staticmethod(run)})
        monkeypatch.setattr(cli.importlib, "import_module", lambda name: module)

    return put


def fails(error: BaseException) -> Callable[..., None]:
    def run(call: Any, say: Any) -> Never:
        raise error

    return run


def test_every_verb_is_a_module_and_every_module_a_verb() -> None:
    assert {p.stem.replace("_", "-") for p in Path(verbs.__file__).parent.glob("*.py")} - {"--init--"} == set(VERBS)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_the_overview_names_every_verb(words: list[str], capsys: Capture) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out and about in out for verb, about in VERBS.items())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: Capture) -> None:
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: tacit {verb} ") and "--debug" in out
    assert main(["help", verb]) == 0
    assert capsys.readouterr().out == out


def test_the_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tacit {tacit.__version__}\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataError("photos/ is empty;\n  add some"), 2, "photos/ is empty; add some"),
        (TrainingError("the loss is nan"), 1, "the loss is nan"),
        (Interrupted("saved; --resume runs/x continues"), 130, "saved; --resume runs/x continues"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "runs/x"), 1, "runs/x: No space left on device"),
        (MemoryError("9 GB"), 1, "out of memory (9 GB); a smaller --batch, --size or --limit takes less"),
        (ZeroDivisionError("x / 0"), 1, "ZeroDivisionError: x / 0; this is a fault of tacit, --debug shows where"),
    ],
)
def test_every_error_is_one_line_and_an_exit_code(
    verb: Any, capsys: Capture, error: BaseException, code: int, message: str
) -> None:
    verb(fails(error))
    assert main(["checks"]) == code
    said = capsys.readouterr()
    assert said.err == f"tacit: {message}\n" and said.out == ""
    assert main(["checks", "--debug"]) == code
    said = capsys.readouterr().err
    assert said.startswith("Traceback") and said.endswith(f"tacit: {message}\n")


def test_ctrl_c_again_and_again_is_one_interruption() -> None:
    code = (
        "import atexit, os, signal, sys\n"
        "from tacit.cli import main as cli\n"
        "from tacit.cli.parser import Usage\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background, it would be ignored\n"
        "press = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "class Verb:\n"
        "    usage = staticmethod(lambda words: Usage('checks', ''))\n"
        "    @staticmethod\n"
        "    def run(call, say):\n"
        "        try: press()\n"
        "        finally: press()  # while the first is on its way\n"
        "cli.importlib.import_module = lambda name: Verb\n"
        "atexit.register(press)  # and while the interpreter ends\n"
        "sys.argv = ['tacit', 'checks']\n"
        "sys.exit(cli.main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "tacit: interrupted\n")


def test_a_verb_sees_its_call_and_the_whole_command(verb: Any, capsys: Capture) -> None:
    calls = []
    verb(lambda call, say: (calls.append(call), say("done")))
    assert main(["checks", "--debug"]) == 0
    assert calls[0].command == "tacit checks" and capsys.readouterr().out == "done\n"


def test_of_several_processes_one_speaks(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert main(["methods"]) == 0 and capsys.readouterr().out == ""
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert main(["methods"]) == 0 and capsys.readouterr().out != ""


def test_a_warning_is_one_line(verb: Any, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # main changes it: put back afterwards
    verb(lambda call, say: None)
    main(["checks"])
    assert warnings.formatwarning("two\nlines", UserWarning, "x.py", 1) == "tacit: warning: two lines\n"


def test_unknown_verbs_are_met_with_a_suggestion(capsys: Capture) -> None:
    assert main(["ecnode"]) == 2
    assert capsys.readouterr().err == (
        "tacit: there is no verb 'ecnode'. Did you mean 'encode'? 'tacit --help' lists them\n"
    )


def test_help_and_usage_errors_import_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("method: gan\noptions: {latnt: 3}\n")
    (tmp_path / "bad.yaml").write_text("method: [")
    lines = [  # each with its exit code
        (0, ""), (0, "--help"), (0, "--version"), (0, "fit --help"), (0, "fit vae --help"), (0, "fit kmeans --help"),
        (0, "methods"), (0, "methods --can score --for images"), (0, "sample --help"), (0, "sample run --help"),
        (0, "checks --help"), (0, "fit vae digits --dry-run"),
        (2, "ecnode"), (2, "fit"), (2, "fit vea digits"), (2, "fit vae"), (2, "fit vae digits --latnt 3"),
        (2, "fit vae digits --latent x"), (2, "fit vae digits --net mpl"), (2, "fit vae digits more"),
        (2, "fit kmeans digits --steps 3"), (2, "fit --config bad.yaml"), (2, "fit --config run digits"),
        (2, "fit --config none"), (2, "encode"), (2, "encode none"), (2, "score run"), (2, "sample run --nmber 3"),
        (2, "methods --can juggle"), (2, "methods --for nothing"), (2, "checks more"),
    ]
    code = (
        "import sys\n"
        "from tacit.cli.main import main\n"
        f"for code, line in {lines!r}:\n"
        "    found = main(line.split())\n"
        "    assert found == code, (line, found)\n"
        f"    assert not {HEAVY!r} & set(sys.modules), (line, {HEAVY!r} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    errors = done.stderr.splitlines()
    assert len(errors) == sum(code == 2 for code, _ in lines) and all(e.startswith("tacit: ") for e in errors)


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m tacit methods | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0" and done.stderr == ""


def test_the_public_names_are_there_and_torch_is_not() -> None:
    code = (
        "import sys, tacit\n"
        f"assert not {HEAVY!r} & set(sys.modules)\n"
        "assert tacit.__all__ == sorted(tacit.__all__) and set(tacit.__all__) <= set(dir(tacit))\n"
        "assert issubclass(tacit.DataError, tacit.UserError)\n"
        "assert tacit.Spec.__name__ == 'Spec' and 'torch' in sys.modules\n"
        "try: tacit.nothing\n"
        "except AttributeError as error: assert str(error) == \"module 'tacit' has no attribute 'nothing'\"\n"
        "else: raise SystemExit('tacit.nothing is something')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
