"""Write the next migration from what the rows say now."""

import sys
import tempfile

from alembic import command

from lti_mentor import migrations
from lti_mentor.db import connect


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = connect(f"sqlite:///{folder}/now.db")
        migrations.upgrade(database)
        known = len(list((migrations.FOLDER / "versions").glob("0*.py")))
        command.revision(migrations.config(database), name, autogenerate=True, rev_id=f"{known + 1:04}")


if __name__ == "__main__":
    main(sys.argv[1])
