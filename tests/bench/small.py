"""Each part of the bench with next to nothing to do, for a test of whether it still runs; its figures say nothing.

Left out are killed workers, and storing in PostgreSQL, which other tests have.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lti_mentor import migrations
from lti_mentor.db import Database, connect
from lti_mentor.practice.tokens import SigningKey
from lti_mentor.settings import Settings
from lti_mentor.vault import Vault
from tests.bench import __main__ as bench
from tests.bench import delivery, lms, reading, records, seeds, served, services


def here(work: Callable[[str, str], Any], issuer: str, folder: str) -> Any:
    """In this process: another would not know how little there is to do."""
    return work(issuer, folder)


LITTLE: dict[Any, dict[str, Any]] = {
    bench: {"ROUNDS": 1, "BURST": 1, "FEW": 20, "MANY": 40, "PROFILED": 2},
    served: {"ROUNDS": 1, "LAUNCHES": 8},
    lms: {"MEMBERS": 500},
    services: {"MEMBERS": 500, "SCORES": 20, "ROUNDS": 1, "alone": here},
    records: {"ROUNDS": 1, "SIZES": {1: 8, 50: 400}},
    seeds: {"_DIFFERENT": 50},
    reading: {"FEW": 1000, "MANY": 1100, "ROUNDS": 1, "WARM": 0, "alone": here},
    delivery: {"FAST": 200},
}


def prepare_once(folder: Path) -> None:
    """Databases are copies of the first that has the same secret."""
    prepare = migrations.prepare

    def copy(database: Database, settings: Settings, vault: Vault) -> None:
        if not database.is_sqlite:
            return prepare(database, settings, vault)
        first = folder / f"first-{settings.secret_key[0]}.db"
        if not first.exists():
            made = connect(f"sqlite:///{first}")
            prepare(made, settings, vault)
            made.engine.dispose()
        Path(database.engine.url.database or "").write_bytes(first.read_bytes())

    migrations.prepare = copy


def shrink() -> None:
    for part, sizes in LITTLE.items():
        for name, value in sizes.items():
            getattr(part, name)  # it is still called so
            setattr(part, name, value)


def main() -> None:
    shrink()
    key, keys = SigningKey(), bench.pair()
    with tempfile.TemporaryDirectory() as name, lms.running(key.jwk()) as issuer:
        folder = Path(name)
        prepare_once(folder)
        lines = [*served.lines(folder, issuer, key, keys), *bench.launches(folder, key, keys), *bench.homes(folder)]
        lines += [*services.lines(issuer, folder), *reading.lines(folder)]
        print("\n".join(lines))
        print(records.rates(folder, f"sqlite:///{folder}/records.db"))
        print(delivery.fast(folder))


if __name__ == "__main__":
    main()
