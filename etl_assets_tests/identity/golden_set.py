"""Customer records of three systems with the truth: who is who, and what makes it hard to see.

Made from a seed. Nothing of it is shaped after the rules: people share addresses with their
family, numbers get new owners, accounts move, names are misspelt, married and shortened.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import polars as pl

from etl_assets.core.identity.schemas import RECORDS_SCHEMA

TRUTH = pl.Schema({"source_system": pl.String, "source_id": pl.String, "person": pl.Int64})


def _words(*lines: str) -> list[str]:
    return " ".join(lines).split()


_GIVEN = _words(
    "Anna Ben Clara David Eva Felix Greta Hans Ida Jan Karla Leon Maria Noah Olga Paul Rosa",
    "Simon Tina Uwe Vera Willi Xenia Yusuf Zoe Martin Martina Daniel Daniela Christian",
    "Christina José Zoë Jörg Chloé Robert William Elizabeth Katharina Alexander Sebastian",
    "Johanna Friedrich",
)
_NICK = {
    "Robert": "Bob",
    "William": "Bill",
    "Elizabeth": "Liz",
    "Katharina": "Kathi",
    "Alexander": "Alex",
    "Sebastian": "Basti",
    "Daniel": "Dan",
    "Christina": "Tina",
}
_STARTS = _words(
    "Ba Be Bo Da De Fa Ga Ha He Ka Ko La Le Ma Mü Ne Pe Ra Ro Sa Schä Schnei Ta Vo Wa We Zi",
)
_ENDS = _words(
    "ber cker der dt fer fmann gel hn ier kert ler mann mer nig rtz sch ser ster tz umann",
)
_COUNTRIES = ["DE", "AT", "CH", "FR", "NL"]
_HOTLINE = "+498001234567"
_START = datetime(2019, 1, 1, tzinfo=UTC)


@dataclass
class _Person:
    number: int
    given: str
    family: str
    country: str
    email: str | None
    phone: str | None
    shop_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class GoldenSet:
    """`records` in RECORDS_SCHEMA and the `person` of each (TRUTH)."""

    records: pl.DataFrame
    truth: pl.DataFrame


def golden_set(records: int, seed: int = 11) -> GoldenSet:
    """At least so many records, and at most those of one household more."""
    rng = Random(seed)
    maker = _Maker(rng)
    while len(maker.rows) < records:
        maker.household()
    frame = pl.DataFrame(maker.rows, schema=RECORDS_SCHEMA, orient="row")
    truth = pl.DataFrame(
        [(row[0], row[1], person) for row, person in zip(maker.rows, maker.persons, strict=True)],
        schema=TRUTH,
        orient="row",
    )
    return GoldenSet(frame, truth)


class _Maker:
    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.rows: list[tuple[object, ...]] = []
        self.persons: list[int] = []
        self._people = 0
        self._ids = {"shop": 0, "crm": 0, "billing": 0}
        self._free_phones: list[str] = []

    def household(self) -> None:
        """One to four people with their records."""
        rng = self.rng
        size = rng.choices([1, 2, 3, 4], [50, 25, 15, 10])[0]
        family, country = self._family(), rng.choice(_COUNTRIES)
        address = self._address(f"family.{family}") if rng.random() < 0.25 else None
        phone = self._phone() if rng.random() < 0.4 else None
        # Now and then a child has the name of a parent.
        given = rng.sample(_GIVEN, size)
        if rng.random() < 0.01:
            given[-1] = given[0]
        for name in given:
            self._people += 1
            person = _Person(
                self._people,
                name,
                family if rng.random() < 0.9 else self._family(),
                country,
                email=address if size > 1 and address else self._own_address(name, family),
                phone=phone if size > 1 and phone else self._phone(),
            )
            self._records_of(person)

    def _records_of(self, person: _Person) -> None:
        rng = self.rng
        systems = [
            s
            for s, share in (("shop", 0.8), ("crm", 0.7), ("billing", 0.6))
            if rng.random() < share
        ]
        shown = person
        for at, system in enumerate(systems or ["crm"]):
            if at and rng.random() < 0.02:  # married between two records
                shown = replace(shown, family=self._family())
            self._record(shown, system)
        if "shop" in systems and rng.random() < 0.08:
            self._record(self._moved(shown), "shop")
        if person.phone and rng.random() < 0.03:  # the network gives the number away
            self._free_phones.append(person.phone)

    def _moved(self, person: _Person) -> _Person:
        """Whoever signs up again has a new address, or a new number, or both."""
        what = self.rng.random()
        email = self._address(f"{person.given}{person.number}") if what < 0.8 else person.email
        return replace(person, email=email, phone=self._phone() if what > 0.6 else person.phone)

    def _record(self, person: _Person, system: str) -> None:
        rng = self.rng
        self._ids[system] += 1
        number = self._ids[system]
        known = None
        if system == "shop":
            known = number
            person.shop_ids.append(number)
        elif person.shop_ids and rng.random() < 0.55:
            known = rng.choice(person.shop_ids)
            if rng.random() < 0.005:  # typed wrong: another customer's
                known = rng.randint(1, self._ids["shop"])
        created = _START + timedelta(seconds=rng.randrange(5 * 365 * 86_400))
        email, phone = person.email, person.phone
        if email and rng.random() < 0.04:
            email = _slip(rng, email)
        if rng.random() < 0.01:
            phone = _HOTLINE
        self.rows.append(
            (
                system,
                {"shop": "", "crm": "c", "billing": "K-"}[system] + str(number),
                self._name(person),
                None if rng.random() < 0.08 else email,
                None if rng.random() < 0.15 else phone,
                person.country if rng.random() < 0.95 else None,
                rng.choice(["consumer", "business", "vip", None]),
                rng.choice([True, False, None]),
                known,
                created,
                created + timedelta(seconds=rng.randrange(365 * 86_400)),
            )
        )
        self.persons.append(person.number)

    def _name(self, person: _Person) -> str | None:
        given, family, how = person.given, person.family, self.rng.random()
        if how < 0.03:
            return None
        if how < 0.08:
            return f"{family}, {given}"
        if how < 0.12:
            return f"{given[0]}. {family}"
        if how < 0.22:
            return f"{given} {family}".upper()
        if how < 0.24:
            return f"{_NICK.get(given, given)} {family}"
        if how < 0.30:
            return _slip(self.rng, f"{given} {family}")
        return f"{given} {family}"

    def _family(self) -> str:
        rng = self.rng
        return rng.choice(_STARTS) + "".join(rng.choices(_ENDS, k=rng.choice([1, 1, 2])))

    def _own_address(self, given: str, family: str) -> str:
        """Some have the mailbox of the company that they work for, with colleagues of theirs."""
        if self.rng.random() < 0.03:
            return f"info@company{int(self._people**0.7)}.example"
        return self._address(f"{given}.{family}")

    def _address(self, name: str) -> str:
        return f"{name.lower()}{self.rng.randrange(10**6)}@mail.example"

    def _phone(self) -> str:
        if self._free_phones and self.rng.random() < 0.05:
            return self._free_phones.pop(0)
        return f"+4917{self.rng.randrange(10**9):09}"


def _slip(rng: Random, text: str) -> str:
    """One letter left out, doubled, changed or swapped with the next one."""
    at = rng.randrange(1, len(text) - 1)
    return rng.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + rng.choice("aeinrst") + text[at + 1 :],
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        ]
    )


def pairs(frame: pl.DataFrame, by: list[str]) -> int:
    """How many pairs of rows have equal values in `by`."""
    counts = frame.group_by(by).len()["len"].cast(pl.Int64)
    return int((counts * (counts - 1) // 2).sum())


@dataclass(frozen=True)
class Score:
    """Of pairs of records: the share of joined ones that are right (`precision`), and of right
    ones that are joined (`recall`); and of clusters of two and more records the share that has
    several people (`over_merged`)."""

    precision: float
    recall: float
    over_merged: float

    def __iter__(self) -> Iterator[float]:
        return iter((self.precision, self.recall, self.over_merged))


def score(clusters: pl.DataFrame, truth: pl.DataFrame) -> Score:
    """How well CLUSTERS_SCHEMA has the truth."""
    both = clusters.join(truth, on=["source_system", "source_id"])
    right = pairs(both, ["customer_key", "person"])
    of = both.group_by("customer_key").agg(pl.len(), people=pl.col("person").n_unique())
    several = of.filter(pl.col("len") > 1)["people"] > 1
    return Score(
        right / pairs(both, ["customer_key"]),
        right / pairs(both, ["person"]),
        float(several.mean() or 0),  # type: ignore[arg-type]
    )
