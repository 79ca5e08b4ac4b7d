"""Deep linking, and links in copied courses."""

from lti_mentor.lti.quirks.quirk import Quirk

QUIRKS = (
    Quirk(
        "copies_without_history",
        "Moodle",
        "2023-02",
        "https://github.com/hypothesis/lms/issues/5061",
        "A copied link does not say what it was copied from, but keeps its custom parameters.",
    ),
    Quirk(
        "history_of_copies",
        "Brightspace",
        "2023",
        "https://github.com/hypothesis/lms/pull/5380",
        "The copy of a copy names all courses before it in one text, the nearest first.",
    ),
    Quirk(
        "answers_that_hang",
        "Moodle",
        "2022-07-22",
        "https://github.com/Cvmcosta/ltijs/issues/156",
        "The platform hangs at an answer of the picker; its return address has parameters, and is used as it came.",
    ),
    Quirk(
        "links_without_address",
        "Blackboard",
        "2024-09-26",
        "https://github.com/Cvmcosta/ltijs/issues/237",
        "An item without an address becomes an invalid link.",
    ),
)
