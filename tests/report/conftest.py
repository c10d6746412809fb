"""Studies made by hand, small enough to render in a moment."""

import dataclasses

import numpy as np
import pytest
import torch

import tacit
from tacit.data.dataset import Skipped
from tacit.data.facts import Duplicates, Facts, facts_of
from tacit.evaluation.evaluate import Evaluation
from tacit.evaluation.measure import Measure
from tacit.study.result import (
    Card,
    Clusters,
    Curve,
    Evidence,
    Generated,
    Map,
    Member,
    Restorations,
    Restored,
    Shown,
    Strangest,
    StudyResult,
    Traversal,
    Verdict,
)


def evaluation(name, *measures):
    ground = {"data": "digits", "fingerprint": "f", "split": "s", "sample": "s", "drawn": "d", "space": ""}
    return Evaluation(name, name[3:], ground, {"parameters": 12, "steps": 30, "seconds": 1.0}, measures)


def kept(value):
    return Measure("maps", "neighbours kept", value, "Share of <neighbours> kept & how.", low=value - 0.05,
                   high=value + 0.05, unit="share", better="higher")


def members():
    """Three that were measured, one that failed, and one that was stopped."""
    stability = Measure("clusters", "stability over seeds", 0.9, "Adjusted Rand index between seeds.", better="higher")
    return (
        Member("01-pca", "pca", "map", "done", seconds=2.5, command="tacit fit pca digits -o study/01-pca",
               evaluation=evaluation("01-pca", kept(0.3))),
        Member("02-umap", "umap on pca", "map", "done", seconds=75.0, command="tacit fit umap study/01-pca",
               evaluation=evaluation("02-umap", kept(0.8))),
        Member("03-vae", "vae", "latent variables", "done", minutes=2, seconds=120.0, command="tacit fit vae digits",
               evaluation=evaluation("03-vae", stability)),
        Member("04-gan", "gan", "adversary", "failed", reason="Its discriminator won; a smaller --lr may help."),
        Member("05-ddpm", "ddpm", "diffusion", "interrupted", reason="It was stopped after 10 of 500 steps."),
    )


def grouping(data, shown, groups):
    def card(k):
        inside, share = (groups == k).nonzero().flatten(), float((groups == k).float().mean())
        return Card(k, share, shown.take(inside[:4]), shown.take(inside[-2:]), ("age 52.3, else 37.1",))

    return Clusters("03-vae", groups, tuple(card(k) for k in groups.unique().tolist() if (groups == k).any()))


def study_of(data, shown, /, **changes):
    """A study of data in which everything was found; `changes` are fields of the result."""
    generator = torch.Generator().manual_seed(0)
    n, few = len(shown), shown.take(torch.arange(6))
    image = data.spec.kind == "image"
    evidence = (Evidence("02-umap", kept(0.8)),)
    steps = [{"step": s, "model/loss": 100.0 / s, "held_out": 90.0 / s, "lr": 0.1} for s in (1, 10, 100)]
    return StudyResult(**{
        "name": data.name, "folder": changes.pop("folder", "study"), "command": "tacit study digits --minutes 2",
        "minutes": 2.0, "seconds": 100.0, "facts": facts_of(data), "shown": Shown(shown, len(data)),
        "members": members(),
        "verdicts": (
            Verdict("a map", "02-umap", "It keeps most neighbours.", evidence, ("Mind the brightness.",)),
            Verdict("a representation", "", "Nothing tells the candidates apart.", undecided=True),
        ),
        "maps": tuple(Map(name, torch.randn(n, 2, generator=generator), warning)
                      for name, warning in (("02-umap", ""), ("01-pca", "This map is mostly brightness."))),
        "clusters": (grouping(data, shown, torch.arange(n) % 3 - 1),),
        "strangest": (Strangest("03-vae", few, torch.arange(6, 0, -1.0), ("age 17, else 38.6",) * 6,
                                few.everything() if image else None, torch.rand(n, generator=generator)),),
        "restorations": Restorations(few, (Restored("03-vae", few.everything()),)),
        "generated": (Generated("03-vae", few.everything(), few, torch.arange(6) == 2, "pixels"),),
        "traversals": (Traversal("03-vae", "One dimension varies.", (("dimension 1", few.everything()),)),) * image,
        "curves": (Curve("03-vae", steps, "It was still improving."),),
        "to_label": few, "finished": False, **changes,
    })


@pytest.fixture(scope="session")
def digits_study(digits_data):
    """Of 300 digits, 120 of them shown."""
    names = [f"set {i % 3}/digit-{i:03}.png" for i in range(len(digits_data))]
    folders = np.array([n.partition("/")[0] for n in names], object)
    days = np.arange(len(digits_data)) / 7
    data = dataclasses.replace(digits_data, name="digits", ids=names, columns={"folder": folders, "date": days},
                               skipped=(Skipped("set 0/broken.png", "the file ends early"),))
    shown = data.take(torch.arange(0, 240, 2))
    facts = dataclasses.replace(facts_of(data), duplicates=(Duplicates((3, 7), True),))
    brightness = shown.everything().mean((1, 2, 3)).double().numpy()
    factors = {"brightness": brightness, "folder": folders[:240:2], "date": days[:240:2]}
    return study_of(data, shown, facts=facts, shown=Shown(shown, len(data), factors))


@pytest.fixture(scope="session")
def table_study(tmp_path_factory):
    """Of a table of 60 rows."""
    path = tmp_path_factory.mktemp("table") / "people.csv"
    rows = (f"{20 + i},{('Private', 'State <gov>')[i % 2]},{i % 3}" for i in range(60))
    path.write_text("age,work,children\n" + "\n".join(rows) + "\n")
    data = tacit.open_data(str(path))
    return study_of(data, data.take(torch.arange(40)), facts=Facts(data, facts_of(data).lines, columns=()))
