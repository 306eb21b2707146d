"""Surveys of images in words: how many images, of which classes and sizes, and what is wrong."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from dagnn.catalogs.findings import Facts, Inspection
from dagnn.data.identical import about_identical, joined
from dagnn.data.image_depth import about_depth, clash
from dagnn.data.survey_look import Seen, Size, look_at
from dagnn.data.survey_search import Found, find_surveys, is_of_runs
from dagnn.files import entries


def inspect_images(path: Path) -> Inspection | None:
    """Describe the surveys of images in a folder or file.

    Args:
        path: a data folder, the folder of one survey, or a file.

    Returns:
        None where there are no images, or where they belong to a run.
    """
    if is_of_runs(path):
        return None
    surveys, problems = find_surveys(path)
    if not surveys and not (problems and _holds_archives_only(path)):
        return None
    seen = [(survey, look_at(survey)) for survey in surveys]
    elsewhere = [survey.data for survey in surveys if path.is_dir() and survey.data != path]
    facts: Facts = [("data folder", str(folder)) for folder in elsewhere]
    facts += [fact for survey, each in seen for fact in _facts(survey, each)]
    problems += [text for survey, each in seen for text in _problems(survey, each)]
    unique = tuple(dict.fromkeys(problems))
    odd = tuple(dict.fromkeys(text for pair in seen for text in _warnings(*pair)))
    return Inspection("images", path.name, (*facts, *_together(seen)), unique, odd)


def _holds_archives_only(path: Path) -> bool:
    """Whether nothing lies there that another inspector could know better."""
    children = entries(path) if path.is_dir() else [path]
    return all(child.suffix.lower() == ".npz" for child in children)


def _written(size: Size) -> str:
    *shape, depth = size
    return f"{'×'.join(map(str, shape))}, {depth}"


def _facts(survey: Found, seen: Seen) -> Facts:
    """Describe one survey in a few lines."""
    where = ", ".join(str(path.relative_to(survey.data)) for path, _ in survey.files)
    sizes = " or ".join(_written(size) for size, _ in seen.sizes.most_common())
    count = len(seen.labels)
    images = f"{count} image{'s' * (count != 1)} of {sizes or 'unknown size'}"
    facts: Facts = [(survey.name, f"{images} · {where}")]
    if seen.mock:
        facts.append(("  MOCK", "the file says that it is synthetic"))
    facts.append(("  classes", _counted(seen.labels, "without label")))
    if any(seen.parts):
        facts.append(("  parts", _counted(seen.parts, "in no part")))
    objects = len(set(seen.groups))
    if objects < count:
        facts.append(("  objects", f"{objects}: some are shown more than once"))
    if not survey.resolved:
        facts.append(("  name", "leads nowhere: set data.images to a pattern with {suite} in it"))
    return facts


def _counted(names: Sequence[str], nothing: str) -> str:
    counts = Counter(names)
    without = counts.pop("", 0)
    parts = [f"{name} {count}" for name, count in sorted(counts.items())]
    return ", ".join(parts + ([f"{without} {nothing}"] if without else [])) or "none"


def _problems(survey: Found, seen: Seen) -> Iterator[str]:
    """Give what is wrong with a survey and its files."""
    yield from seen.problems
    if not seen.labels:
        yield f"{survey.name} has no image that can be read."
    if len({size[1:3] for size in seen.sizes}) > 1:
        listed = ", ".join(
            f"{count} of {_written(size)}" for size, count in seen.sizes.most_common()
        )
        yield f"The images of {survey.name} differ in size ({listed}) and cannot be read together."
    if sides := clash(seen.kinds):
        yield f"{survey.name} holds {sides}, on different scales of brightness. Save one depth."
    cut = _cut(seen)
    if cut:
        yield (
            f"The files of {survey.name} put {cut} objects into more than one part of the split: "
            "what is learned in training comes back as a test."
        )


def _warnings(survey: Found, seen: Seen) -> Iterator[str]:
    """Give what is odd about a survey and is trained on all the same."""
    yield from seen.warnings
    for note in (*about_depth(seen.kinds), *about_identical(seen.ids, seen.labels, seen.contents)):
        yield f"{survey.name}: {note}."


def _cut(seen: Seen) -> int:
    parts: dict[str, set[str]] = {}
    for group, part in zip(joined(seen.groups, seen.contents), seen.parts, strict=True):
        parts.setdefault(group, set()).add(part)
    return sum(len(of_one - {""}) > 1 for of_one in parts.values())


def _together(seen: Sequence[tuple[Found, Seen]]) -> Facts:
    """Say what a reader must know before using several of the surveys in one run."""
    facts: Facts = []
    sizes = [size for _, each in seen for size in each.sizes]
    if len({size[0] for size in sizes}) > 1:
        facts.append(("channels differ", "one network reads surveys of equal channels only"))
    if len({size[1:3] for size in sizes}) > 1:
        facts.append(("sizes differ", "data.size or data.crop brings surveys to one size"))
    classes = [set(each.labels) - {""} for _, each in seen if any(each.labels)]
    if classes and any(found != classes[0] for found in classes):
        common = set.intersection(*classes)
        facts.append(("classes in all", ", ".join(sorted(common)) or "none"))
    for (one, left), (two, right) in combinations(seen, 2):
        if shared := set(left.groups) & set(right.groups):
            facts.append(("shared objects", f"{len(shared)} are in {one.name} and in {two.name}"))
    return facts
