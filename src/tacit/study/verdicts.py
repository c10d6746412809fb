"""Which method to use for what, decided by figures that need no labels; labels, where there are some, only check."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tacit.evaluation.compare import overlap
from tacit.evaluation.measure import Measure
from tacit.study.result import Evidence, Member, Verdict

__all__ = ["CLUSTERS", "MAP", "NEW", "REPRESENTATION", "RESTORE", "STRANGE", "best_representation",
           "chosen_representation", "judge", "judged", "standings"]

MAP = "a map of the data"
REPRESENTATION = "a representation"
CLUSTERS = "groups"
STRANGE = "finding what does not belong"
NEW = "new samples"
RESTORE = "compressing and restoring"

LABELS_DECIDE = (CLUSTERS, REPRESENTATION, STRANGE)

KNOWN = ("recognition", "changed samples known again")
RESTORING = ("PSNR", "squared error", "squared error of numbers", "codes restored")  # the first that there is
TRUSTED = 0.75  # trustworthiness that a map needs; a random one has 0.5
STABLE = 0.6  # adjusted Rand index that two fits of a grouping need
FOUND = 0.6  # area under the curve that an anomaly score needs; chance has 0.5
HALF = 0.5  # of the precision and recall of held-out data, below which samples will not do
COPIES = 0.1  # share of samples that may be nearer to training samples than 99 of 100 held-out samples are

Standing = tuple[Member, Measure]


def judged(members: Sequence[Member]) -> tuple[Verdict, ...]:
    """Returns a verdict for each purpose that at least one member was measured for.

    Arguments:
        members: The panel; those without an evaluation are passed over.
    """
    measured = [m for m in members if m.evaluation is not None]
    found = (maps(measured), groups(measured), representations(measured), scores(measured), samples(measured),
             restorations(measured))
    return tuple(verdict for verdict in found if verdict is not None)


def standings(members: Sequence[Member], question: str, name: str, of: str = "") -> list[Standing]:
    """Returns the members that have a measure, best first."""
    found = [(m, measure) for m in members if (measure := find(m, question, name, of)) is not None]
    return sorted(found, key=lambda s: s[1].value, reverse=bool(found) and found[0][1].better != "lower")


def find(member: Member, question: str, name: str, of: str = "") -> Measure | None:
    """Returns a member's measure, or None."""
    known = member.evaluation.measures if member.evaluation is not None else ()
    return next((m for m in known if (m.question, m.name, m.of) == (question, name, of)), None)


def verdict(purpose: str, found: Sequence[Standing], because: str, *more: Evidence, cautions: Sequence[str] = ()
            ) -> Verdict:
    """Returns the verdict for the first of some standings, resting on all of them."""
    evidence = (*(Evidence(m.name, measure) for m, measure in found), *more)
    return Verdict(purpose, found[0][0].name, because, evidence, tuple(cautions))


def none(purpose: str, found: Sequence[Standing], because: str, *more: Evidence) -> Verdict:
    """Returns that there is no verdict, and what that rests on."""
    evidence = (*(Evidence(m.name, measure) for m, measure in found), *more)
    return Verdict(purpose, "", because, evidence, undecided=purpose in LABELS_DECIDE)


def ahead(found: Sequence[Standing], what: str) -> str:
    """Returns in words who leads by what, and by how much."""
    (first, best), rest = found[0], found[1:]
    leads = f"By {what}, {first.title} leads with {best}"
    if not rest:
        return f"{first.title} alone is in question, with {best} for {what}."
    second, next_best = rest[0]
    if overlap(best, next_best):
        return f"{leads}, but {second.title} with {next_best} cannot be told from it: take whichever is quicker."
    return f"{leads}; next is {second.title} with {next_best}."


# For each purpose ----------------------------------------------------------------------------------------------------


def maps(members: Sequence[Member]) -> Verdict | None:
    """Returns which map to look at: one of the best representation where there is one, else one of the data."""
    every = standings(members, "maps", "trustworthiness")
    if not every:
        return None
    best = next((m.title for m in members if m.name == chosen_representation(members)), None)
    found = [s for s in every if parent(s[0]) == best] or [s for s in every if not parent(s[0])] or every
    top, measure = found[0]
    if measure.span[0] < TRUSTED:
        return none(MAP, found, f"No map keeps the neighbours: the best, by {top.title}, has trustworthiness "
                    f"{measure}, where {TRUSTED} is asked for and chance has 0.5: read nothing into who lies where.")
    about = f" It shows what {best} makes of the data." if parent(top) == best else ""
    return verdict(MAP, found, ahead(found, "trustworthiness") + about)


def parent(member: Member) -> str:
    """Returns the methods that a member stands on: of ``tsne on simclr``, ``simclr``."""
    return member.title.partition(" on ")[2]


def groups(members: Sequence[Member]) -> Verdict | None:
    """Returns which grouping comes out again, if any does."""
    found = standings(members, "clusters", "stability over bootstraps")
    if not found:
        return None
    counted = {m.name: find(m, "clusters", "number of clusters") for m, _ in found}
    real = [s for s in found if (c := counted[s[0].name]) is None or c.value > 1]
    more = [Evidence(name, c) for name, c in counted.items() if c is not None]
    if not real:
        return none(CLUSTERS, found, "No number of groups comes out again more surely than it would in data without "
                    "groups: treat these data as a continuum. Groups are shown for looking at only.", *more)
    top, measure = real[0]
    if measure.value < STABLE:
        return none(CLUSTERS, real, f"No grouping comes out again: two fits of the best, by {top.title}, agree with an "
                    f"adjusted Rand index of {measure}, where {STABLE} is asked for.", *more)
    count = counted[top.name]
    into = f" It finds {count.value:.0f} groups, the number that stands out most from chance." if count else ""
    return verdict(CLUSTERS, real, ahead(real, "stability over bootstraps") + into, *more)


def best_representation(members: Sequence[Member]) -> str | None:
    """Returns the name of the member whose representation knows samples again best, or None where none was measured."""
    found = standings(members, *KNOWN)
    return found[0][0].name if found else None


def chosen_representation(members: Sequence[Member]) -> str | None:
    """Returns the name of the member whose representation is surely better than the data themselves, or None."""
    found = representations([m for m in members if m.evaluation is not None])
    return found.answer or None if found is not None else None


def judge(members: Sequence[Member], makers: Collection[str]) -> str | None:
    """Returns the name of the member in whose features samples are compared: the best that makes none itself.

    Arguments:
        members: The panel.
        makers: Names of the members that make samples.

    Returns:
        None where no such member knows changed samples again better than the pixels do.
    """
    every = standings(members, *KNOWN)
    found = [(m, measure) for m, measure in every if m.name not in makers]
    if not found:
        return None
    (top, measure), plain = found[0], untaught(every)
    return top.name if plain is None or measure.span[0] > plain.span[1] else None


def untaught(found: Sequence[Standing]) -> Measure | None:
    """Returns how often pixels or values know changed samples again."""
    return next((b for m, own in found for b in (m.evaluation.measures if m.evaluation else ())
                 if b.name == own.name and b.of in ("pixels", "values")), None)


def representations(members: Sequence[Member]) -> Verdict | None:
    """Returns which representation to build on, and whether labels agree."""
    found = standings(members, *KNOWN)
    if not found:
        return None
    top, measure = found[0]
    plain = untaught(found)
    probes = standings(members, "representation", "linear probe accuracy")
    more = [Evidence(m.name, p) for m, p in probes]
    if plain is not None:
        more.insert(0, Evidence(top.name, plain))
        if measure.span[0] <= plain.span[1]:
            return none(REPRESENTATION, found, f"No representation knows a changed sample again better than the "
                        f"{plain.of} themselves: {top.title} has {measure}, the {plain.of} {plain}. Label the samples "
                        "below first; a probe on them decides.", *more)
    agreed, against = checked(top, probes)
    return verdict(REPRESENTATION, found, ahead(found, "the share of changed samples that it knows again") + agreed,
                   *more, cautions=against)


def checked(top: Member, probes: Sequence[Standing]) -> tuple[str, tuple[str, ...]]:
    """Returns that labels speak for a choice, or the caution that they speak against it; nothing without labels."""
    own = next((p for m, p in probes if m.name == top.name), None)
    if own is None:
        return "", ()
    first, best = probes[0]
    if first.name == top.name or overlap(own, best):
        return f" The labels agree: a linear probe on it reads {own} of them, and surely more from no other.", ()
    return "", (f"The labels disagree: a linear probe reads {best} of them from {first.title} and {own} from this.",)


def scores(members: Sequence[Member]) -> Verdict | None:
    """Returns which score finds planted outliers."""
    found = standings(members, "anomaly", "AUROC", "planted")
    if not found:
        return None
    top, measure = found[0]
    if measure.span[0] < FOUND:
        return none(STRANGE, found, f"No score finds samples that were spoilt on purpose: the best, by {top.title}, "
                    f"has an area under the curve of {measure}, where chance has 0.5.")
    how = "how well it finds samples that were spoilt on purpose (area under the curve)"
    return verdict(STRANGE, found, ahead(found, how))


def samples(members: Sequence[Member]) -> Verdict | None:
    """Returns whose new samples are nearest to the data, lie among them, cover them, and are no copies of them."""
    found = standings(members, "samples", "Frechet distance")
    if not found:
        return None
    spaces = [measure.space for _, measure in found]
    found = [s for s in found if s[1].space == max(spaces, key=spaces.count)]  # distances in two spaces do not compare
    flaws = {m.name: flaw(m) for m, _ in found}
    new = [s for s in found if flaws[s[0].name] is None]
    more = [Evidence(m.name, f[1]) for m, _ in found if (f := flaws[m.name]) is not None]
    if not new:
        each = "; ".join(f"those of {m.title} {f[0]}" for m, _ in found if (f := flaws[m.name]) is not None)
        return none(NEW, found, f"Nobody's samples will do: {each}.", *more)
    cautions = [f"The samples of {m.title} are nearer by this distance, but {f[0]}."
                for m, _ in found[: found.index(new[0])] if (f := flaws[m.name]) is not None]
    held = find(new[0][0], "samples", "Frechet distance", "held-out data")
    if held is not None:
        more.append(Evidence(new[0][0].name, held))
        cautions.append(f"Held-out data themselves have {held}, as perfect samples would at this number.")
    cautions.append(f"The distance sees what its features see ({new[0][1].space}): look at the samples, too.")
    return verdict(NEW, new, ahead(new, "the Frechet distance"), *more, cautions=cautions)


def flaw(member: Member) -> tuple[str, Measure] | None:
    """Returns why a member's samples will not do whatever their distance, in words, and what shows it; or None.

    A distance between means and covariances sees neither copies nor samples that lie between the data.
    """
    name = "nearer to a training sample than held-out data are"
    copies = find(member, "samples", name, "pixels") or find(member, "samples", name)
    if copies is not None and copies.span[0] > COPIES:
        return f"copy training samples ({copies} are nearer to one than 99 of 100 held-out samples are)", copies
    for name, words in (("precision", "mostly lie outside the data"), ("recall", "leave most of the data out")):
        own, usual = find(member, "samples", name), find(member, "samples", name, "held-out data")
        if own is not None and usual is not None and own.value < HALF * usual.value:
            return f"{words} ({name} {own}, held-out data {usual})", own
    return None


def restorations(members: Sequence[Member]) -> Verdict | None:
    """Returns who restores unseen samples better than as many principal components do: a longer code is no merit."""
    name = next((n for n in RESTORING if standings(members, "reconstruction", n)), None)
    if name is None:
        return None
    found = [(m, own, as_many) for m, own in standings(members, "reconstruction", name)
             if (as_many := components(m, name)) is not None]
    if not found:
        every = standings(members, "reconstruction", name)
        return verdict(RESTORE, every, ahead(every, name))
    sign = -1 if found[0][1].better == "lower" else 1
    found.sort(key=lambda f: sign * (f[2].value - f[1].value))
    standing, more = [f[:2] for f in found], [Evidence(m.name, pca) for m, _, pca in found]
    top, own, as_many = found[0]
    gain = f"{top.title} restores unseen samples with {name} {own}, as many principal components with {as_many}"
    if sign * (own.value - as_many.value) <= 0 or overlap(own, as_many):
        return none(RESTORE, standing, f"Nothing restores samples better than principal components that keep as many "
                    f"numbers: {gain}. Take those, or train longer.", *more)
    return verdict(RESTORE, standing, f"For the length of its code, {gain}.", *more)


def components(member: Member, name: str) -> Measure | None:
    """Returns what as many principal components as a member's code has values reach; None for themselves."""
    known = member.evaluation.measures if member.evaluation is not None else ()
    return next((m for m in known if m.name == name and m.of.endswith("principal components")), None)
