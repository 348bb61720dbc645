"""What the figure of the error analysis shows: `errors.json` of several seeds, and rare objects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import fmean

from seesaw.results.figures.results import Category
from seesaw.spec.outputs import Errors

NAMES = ("own", "look-alike", "another", "none")


@dataclass(frozen=True)
class Rare:
    """A rare category, and what its objects are taken for."""

    name: str
    # name of the other category for which its objects are taken most often, by all models together
    look_alike: str
    objects: int  # number of its objects, over all seeds
    taken: dict[str, dict[str, int]]  # model -> one of `NAMES` -> number of objects

    def share(self, model: str, name: str) -> float:
        """Return the share of the category's objects that a model takes for ``name``."""
        return self.taken[model][name] / max(sum(self.taken[model].values()), 1)


def averaged(seeds: list[Errors]) -> Errors:
    """Return the means over seeds of AP50, costs and numbers, and the sums of objects."""

    def means(parts: list[dict[str, float | None]]) -> dict[str, float | None]:
        values = {group: [part[group] for part in parts] for group in parts[0]}
        return {
            g: None if None in v else fmean(x for x in v if x is not None)
            for g, v in values.items()
        }

    taken: dict[str, Counter[str]] = {}
    for content in seeds:
        for category, names in content["called"].items():
            taken.setdefault(category, Counter()).update(names)
    return Errors(
        AP50=means([s["AP50"] for s in seeds]),
        cost={kind: means([s["cost"][kind] for s in seeds]) for kind in seeds[0]["cost"]},
        number={kind: means([s["number"][kind] for s in seeds]) for kind in seeds[0]["number"]},
        called={category: dict(names) for category, names in taken.items()},
    )


def called(models: dict[str, Errors], categories: list[Category], most: int) -> list[Rare]:
    """Return the ``most`` rare categories with most objects, by descending number, ties by id."""
    names = {str(category.id): category.name for category in categories}
    taken = {label: content["called"] for label, content in models.items()}
    ids = {i for content in taken.values() for i in content}
    found = []
    for own in sorted(ids, key=int):
        others: Counter[str] = Counter()
        for content in taken.values():
            others.update({i: n for i, n in content.get(own, {}).items() if i not in (own, "none")})
        look_alike = min(others, key=lambda i: (-others[i], int(i)), default="")
        sums = {
            label: _sums(content.get(own, {}), own, look_alike) for label, content in taken.items()
        }
        objects = max((sum(s.values()) for s in sums.values()), default=0)
        found.append(Rare(names.get(own, own), names.get(look_alike, look_alike), objects, sums))
    return sorted(found, key=lambda row: -row.objects)[:most]


def _sums(taken: dict[str, int], own: str, look_alike: str) -> dict[str, int]:
    sums = dict.fromkeys(NAMES, 0)
    for name, n in taken.items():
        kinds = {own: "own", look_alike: "look-alike", "none": "none"}
        sums[kinds.get(name, "another")] += n
    return sums
