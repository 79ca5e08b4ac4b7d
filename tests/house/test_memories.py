"""What a process remembers between requests: each with why nothing of one organization reaches another by it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

MEMORIES = {
    # the same for everybody: shipped with the code, or of the installation
    "lti_mentor/activity/profile.py text": "a file that is shipped",
    "lti_mentor/activity/profile.py document": "a file that is shipped",
    "lti_mentor/activity/profile.py ours": "a file that is shipped",
    "lti_mentor/activity/record.py _BASES": "one row of the installation",
    "lti_mentor/activity/record.py _CHECKED": "a switch of the process",
    "lti_mentor/activity/record.py _PEPPERS": "one row of the installation",
    "lti_mentor/activity/statements.py _verb": "terms of the vocabulary",
    "lti_mentor/lti/http.py _trusted": "the authorities of the system",
    "lti_mentor/mentoring/catalog.py entries": "files that are shipped",
    "lti_mentor/migrations/__init__.py _head": "the newest migration",
    "lti_mentor/vault.py _derive": "keys of the installation, by secret and purpose",
    "lti_mentor/web/placed.py KINDS": "what features say can be placed, at import",
    "lti_mentor/web/language.py _translations": "catalogs that are shipped, by language",
    "lti_mentor/web/language.py _parsed": "locales, by name",
    "lti_mentor/app.py app.extensions['lti_mentor']": "settings, database and vault",
    "lti_mentor/web/forms.py app.extensions[_PAGES]": "views of the application, and where they are shown",
    "lti_mentor/web/measured.py app.extensions[_KEY]": "how many requests there were, by kind of page",
    # no more than what it is asked with decides what comes back
    "lti_mentor/activity/statements.py _activity": "an activity made of its type and IRI",
    "lti_mentor/lti/keysets.py _parsed": "a public key made of its two numbers",
    "xapi/activities.py _remembered": "definitions that are put together, by their texts",
    "xapi/facets.py _remembered": "digests, whose first part is the tenant",
    "xapi/values.py _is_iri": "whether a text is an IRI",
    # named by what belongs to one organization
    "lti_mentor/web/lrs.py LET_IN": "digests of keys with their secrets, which are looked up all the same",
    "lti_mentor/activity/record.py _DEFINED": "activities that are known, by organization and IRI",
    "lti_mentor/insight/memory.py MEMORIES": "records, by organization and program",
    "lti_mentor/jobs/outside.py _TOKENS": "tokens, by target and its sealed secret",
    "lti_mentor/jobs/statements.py _LONG": "ids of targets that took long",
    "lti_mentor/lti/grades.py _scores": "lives as long as the gradebook of one column",
    "xapi/activities.py MEMORIES": "what is known of activities, by tenant",
    # nothing is kept in them but who waits
    "lti_mentor/db.py _open": "how many transactions a thread has open",
    "lti_mentor/clock.py _moved": "the clock of tests",
    "lti_mentor/insight/memory.py _ONE_BY_ONE": "a lock",
    "lti_mentor/lti/keysets.py _ASKING": "locks, by the address of a key set of the installation",
    "lti_mentor/queue.py NEVER": "an event that nobody sets",
    "lti_mentor/web/admin/retention.py LOOKING": "a lock",
    "lti_mentor/web/exports.py _PLACES": "how many exports run",
    "lti_mentor/web/lrs_storing.py TURNS": "who waits to store: together only with the same key",
    "xapi/activities.py _ONE_BY_ONE": "a lock",
    "xapi/facets.py _NOTHING": "an empty part, which nobody changes",
}

KEEPING = frozenset({"cache", "lru_cache", "cached_property"})
CONTAINERS = frozenset(
    {
        *("dict", "set", "list", "defaultdict", "OrderedDict", "Counter", "deque", "WeakKeyDictionary", "WeakSet"),
        *(
            "WeakValueDictionary",
            "ContextVar",
            "Lock",
            "RLock",
            "Event",
            "Semaphore",
            "BoundedSemaphore",
            "local",
            "mmap",
        ),
    }
)


def called(node: ast.AST) -> str:
    """The last word of what is called or decorates: ``functools.lru_cache(9)`` is lru_cache."""
    while isinstance(node, ast.Call):
        node = node.func
    return ast.unparse(node).rpartition(".")[2]


def is_empty(node: ast.AST | None) -> bool:
    """A container that something is put into later."""
    if isinstance(node, ast.Dict | ast.List | ast.Set):
        return not (node.keys if isinstance(node, ast.Dict) else node.elts)
    return isinstance(node, ast.Call) and (called(node) in CONTAINERS | KEEPING) and not is_filled(node)


def is_filled(call: ast.Call) -> bool:
    """A constant that is made of something, such as ``dict(a=1)``."""
    return called(call) in ("dict", "set", "list") and bool(call.args or call.keywords)


def memories(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(called(each) in KEEPING for each in node.decorator_list):
            yield node.name
        if isinstance(node, ast.Global):
            yield from node.names
        if isinstance(node, ast.Assign) and "extensions[" in ast.unparse(node.targets[0]):
            yield ast.unparse(node.targets[0])
    keeping = {each.name for each in _classes(tree) if keeps(each)}
    for node in [each for part in (tree, *_classes(tree)) for each in part.body]:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        if is_empty(node.value) or (isinstance(node.value, ast.Call) and called(node.value) in keeping):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (ast.unparse(target) for target in targets)


def keeps(made: ast.ClassDef) -> bool:
    """Whether an object of the class has a container of its own."""
    own = (node for node in ast.walk(made) if isinstance(node, ast.Assign | ast.AnnAssign) and is_empty(node.value))
    return any("self." in ast.unparse(node) for node in own)


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def test_everything_that_a_process_remembers_stands_in_the_list_with_its_reason():
    files = [file for folder in ("lti_mentor", "xapi") for file in (ROOT / folder).rglob("*.py")]
    served = [file for file in files if not {"practice", "versions"} & set(file.parts)]
    found = {f"{file.relative_to(ROOT)} {name}" for file in served for name in memories(file)}
    assert found == set(MEMORIES)
