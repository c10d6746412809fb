import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tacit.catalog import CATALOG, Row, method_class
from tacit.cli import signatures
from tacit.cli.asking import HELP, OUT, SHARED
from tacit.cli.signatures import field_options, keyword_options
from tacit.cli.verbs.fit import RESUME, RUN
from tacit.data.options import ReadOptions
from tacit.training.options import TrainOptions

EACH = pytest.mark.parametrize("known", CATALOG, ids=lambda r: r.name)


@EACH
def test_the_static_reading_is_what_python_sees(known: Row) -> None:
    read = keyword_options(known.module, known.cls)
    real = [p for p in inspect.signature(method_class(known.name)).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert [o.name for o in read] == [p.name for p in real]
    assert [o.default for o in read] == [... if p.default is p.empty else p.default for p in real]
    for option, parameter in zip(read, real, strict=True):
        kind = str(parameter.annotation)
        assert (option.hint is None) == ("Module" in kind and "str" not in kind), option  # a name can be written


@EACH
def test_every_option_is_explained(known: Row) -> None:
    for option in keyword_options(known.module, known.cls):
        assert len(option.help) > 8, f"{known.cls} does not explain {option.name} under Arguments:"


@EACH
def test_no_option_shares_a_name_with_another_of_its_verb(known: Row) -> None:
    others = {o.name for o in (*RUN, RESUME, OUT, *SHARED)}
    others |= {f.name for kind in (TrainOptions, ReadOptions) for f in dataclasses.fields(kind)}
    own = {o.name for o in keyword_options(known.module, known.cls)}
    assert not own & others
    asked = {o.name for call in ("sample", "encode") for o in keyword_options(known.module, known.cls, call)}
    assert not asked & {"out", "overwrite", "number", "each", "seed", "device"}


@EACH
def test_every_option_of_a_call_is_explained(known: Row) -> None:
    for call in ("sample", "encode"):
        for option in keyword_options(known.module, known.cls, call):
            assert option.hint is None or option.help or option.name in HELP, (call, option.name)


@pytest.mark.parametrize("kind", [TrainOptions, ReadOptions])
def test_the_fields_of_a_dataclass(kind: type) -> None:
    read = field_options(kind.__module__, kind.__name__, "training")
    assert {o.name: o.default for o in read} == dataclasses.asdict(kind())
    assert all(o.help and o.hint is not None and o.group == "training" for o in read)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A house of two modules, of which one inherits from the other."""
    files = {
        "tacit/lower.py": """
            Shape = Literal["round", "flat"]
            USUAL = 3

            class Below(Method):
                '''Is below.

                Arguments:
                    shape: How it
                        looks.
                    depth: How deep.
                '''

                def __init__(self, spec, *, shape: Shape = "round", depth: int = USUAL, net: nn.Module | None = None):
                    pass

                def sample(self, n, *, k: "int" = 1, generator: Generator | None = None):
                    '''Samples.

                    Arguments:
                        k: Draws.

                    Returns:
                        x: Not an argument.
                    '''
            """,
        "tacit/room/__init__.py": "from tacit.lower import Below as Lower, Shape\n",
        "tacit/upper.py": """
            from tacit.room import Lower, Shape

            class Above(Lower):
                '''Is above.'''

            class Own(Lower):
                '''Has its own.'''

                def __init__(self, spec, *, teacher: Frozen, shape: Shape | None = None,
                             sizes: tuple[int, ...] = (1, 2), mixed: str | nn.Module = "auto", many: list[object] = ()):
                    '''Makes it.

                    Arguments:
                        teacher: A run.
                    '''
            """,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    monkeypatch.setattr(signatures, "ROOT", tmp_path)
    signatures.parsed.cache_clear()
    yield
    signatures.parsed.cache_clear()


def test_a_constructor_may_be_inherited_and_its_types_imported(house: None) -> None:
    shape, depth, net = keyword_options("tacit.upper", "Above")
    assert (shape.hint, shape.default, shape.help) == (Literal["round", "flat"], "round", "How it looks.")
    assert (depth.hint, depth.default) == (int, 3)
    assert net.hint is None


def test_types_that_text_cannot_give_are_left_out(house: None) -> None:
    teacher, shape, sizes, mixed, many = keyword_options("tacit.upper", "Own")
    assert (teacher.hint, teacher.default, teacher.help) == (str, ..., "A run.")
    assert shape.hint == Literal["round", "flat"] | None and shape.default is None
    assert sizes.hint == tuple[int, ...] and sizes.default == (1, 2)
    assert mixed.hint is str
    assert many.hint is None


def test_the_options_of_a_call(house: None) -> None:
    k, generator = keyword_options("tacit.upper", "Own", "sample")
    assert (k.name, k.help) == ("k", "Draws.")
    assert generator.hint is None
    assert keyword_options("tacit.upper", "Own", "encode") == ()
