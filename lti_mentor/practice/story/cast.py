"""Who appears in the story: names, in several scripts, and the ids the practice LMS knows them by."""

from dataclasses import dataclass

LONG_NAME = "Maximiliana Wilhelmina Alexandra von den Heuvel-Brandenburgs"
RIGHT_TO_LEFT_NAME = "ليلى عبد الرحمن الخوري"

_LEARNERS = (
    "Amara Okafor",
    "Jonas Lindqvist",
    "Mei-Ling Chen",
    RIGHT_TO_LEFT_NAME,
    "Tomás Herrera",
    "Анна Соколова",
    "Priya Raman",
    LONG_NAME,
    "Kwame Boateng",
    "Sofia Rossi",
    "佐藤 健",
    "Elif Yılmaz",
    "Lukas Weber",
    "Nadia Haddad",
    "Oliver Grant",
    "Ingrid Solberg",
    "Γιώργος Παππάς",
    "Fatou Diallo",
    "Mateusz Nowak",
    "Hannah Fischer",
    "अनन्या शर्मा",
    "Diego Fuentes",
    "Chloé Martin",
    "Samuel Adeyemi",
    "Yuki Tanaka",
    "Rosa Almeida",
    "Ben Carter",
    "Zsófia Kovács",
    "Ahmed Mansour",
    "Linh Nguyen",
    "Peter Novák",
    "Isabel Duarte",
    "Ravi Patel",
    "Emma Johansson",
    "Carlos Mendes",
    "김민준",
    "Aisha Bello",
    "Marta Kowalska",
    "Liam Byrne",
    "Olena Shevchenko",
    "Theo Laurent",
    "Grace Mutua",
    "Noah Bernstein",
    "Carmen Vega",
    "Henrik Dahl",
    "Leila Farsi",
    "Victor Popescu",
    "Julia Costa",
    None,  # an LMS that withholds this name
    "Daniel Osei",
    "Katrin Vogel",
    "Minh Tran",
    "Abigail Stone",
    "Paulo Ribeiro",
    "Sana Qureshi",
    "Nora Eriksen",
    "Jakub Dvořák",
    "Miriam Adler",
    "Felix Braun",
    "Thandiwe Nkosi",
    "Andrei Ionescu",
    "Laura Moreau",
    "Owen Hughes",
    "Beatriz Santos",
)
_MENTORS = (
    "Ruth Abebe",
    "Stefan Keller",
    "Maria Oliveira",
    "David Kim",
    "Helena Petrova",
    "James Whitfield",
    "Fatima Zahra",
    "Anders Holm",
    "Sunita Rao",
    "Paul Dubois",
    "Li Wei",
    "Claudia Romano",
    "Michael Obi",
    "Eva Horvat",
    "Robert Nilsson",
    "Yasmin Khalil",
)
_COORDINATORS = ("Margaret Ellis", "Tobias Hartmann")
_ANALYSTS = ("Ines Carvalho", "Viktor Lang")
_STRANGERS = (
    "Aiden Foster",
    "Bianca Neri",
    "Cyril Jansen",
    "Dora Klein",
    "Edgar Ruiz",
    "Freya Lund",
    "Gaspard Roy",
    "Hilda Vance",
    "Ivo Marin",
    "Jana Wolf",
    "Kofi Mensah",
    "Lena Storm",
)


@dataclass(frozen=True)
class Character:
    """``key`` is the subject the practice LMS sends."""

    key: str
    name: str | None


def _people(prefix: str, names: tuple[str | None, ...]) -> tuple[Character, ...]:
    return tuple(Character(f"{prefix}-{number}", name) for number, name in enumerate(names, start=1))


def _made_up(number: int) -> str:
    """The first name of a learner and the family name of another, a new pair for each number."""
    names = [name.split() for name in _LEARNERS if name and len(name.split()) == 2]
    first, further = divmod(number, len(names) - 1)
    return f"{names[first][0]} {names[(first + 1 + further) % len(names)][1]}"


LEARNERS = _people("learner", _LEARNERS)
MENTORS = _people("mentor", _MENTORS)
COORDINATORS = _people("coordinator", _COORDINATORS)
ANALYSTS = _people("analyst", _ANALYSTS)
OBSERVERS = _people("observer", ("Ifeoma Okafor",))  # looks after two learners, one of whom agreed
NEWCOMERS = _people("newcomer", tuple(_made_up(number) for number in range(2500)))  # in no part of the story
TEACHERS = _people("teacher", ("Nils Bergman",))  # of the newcomers
STRANGERS = _people("stranger", _STRANGERS)  # of the second organization

MIDDLE = LEARNERS[0]  # the worked example
NEW = LEARNERS[55]  # opened the course once, nothing else
CERTIFIED = LEARNERS[17]  # has to renew soon
