"""Statements as they are asked for (Part Three, 2.1.3): ids alone, or canonical and in one language."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xapi.facets import Statement
from xapi.validation import COMPONENT_LISTS, IDENTIFIERS

Thing = dict[str, Any]
_NAMED = ("actor", "authority")


def ids(statement: Statement) -> Statement:
    """With no more of agents, groups, verbs and activities than tells them from others."""
    return _mapped(statement, agent=_bare_agent, verb=_bare, activity=_bare)


def canonical(statement: Statement, languages: Sequence[str], definitions: Mapping[str, Thing]) -> Statement:
    """With what is known of its activities, and of each text the language that fits best. The best one comes first."""

    def verb(said: Thing) -> Thing:
        return {**said, "display": _chosen(said["display"], languages)} if "display" in said else said

    def activity(said: Thing) -> Thing:
        definition = definitions.get(said["id"], said.get("definition"))
        return {**said, "definition": _in_one_language(definition, languages)} if definition else said

    return _mapped(statement, agent=lambda said: said, verb=verb, activity=activity)


def _mapped(
    said: Statement,
    *,
    agent: Callable[[Thing], Thing],
    verb: Callable[[Thing], Thing],
    activity: Callable[[Thing], Thing],
) -> Statement:
    """The statement or sub-statement with each of these things changed."""
    made = {**said, "verb": verb(said["verb"])} | {name: agent(said[name]) for name in _NAMED if name in said}
    kind = said["object"].get("objectType", "Activity")
    if kind in ("Agent", "Group"):
        made["object"] = agent(said["object"])
    elif kind == "Activity":
        made["object"] = activity(said["object"])
    elif kind == "SubStatement":
        made["object"] = _mapped(said["object"], agent=agent, verb=verb, activity=activity)
    if "context" in said:
        made["context"] = _mapped_context(said["context"], agent, activity)
    return made


def _mapped_context(said: Thing, agent: Callable[[Thing], Thing], activity: Callable[[Thing], Thing]) -> Thing:
    made = said | {name: agent(said[name]) for name in ("instructor", "team") if name in said}
    for names, name in (("contextAgents", "agent"), ("contextGroups", "group")):
        if names in said:
            made[names] = [{**each, name: agent(each[name])} for each in said[names]]
    if "contextActivities" in said:
        kinds = said["contextActivities"].items()
        made["contextActivities"] = {kind: [activity(each) for each in listed] for kind, listed in kinds}
    return made


def _bare(said: Thing) -> Thing:
    return {"id": said["id"]}


def _bare_agent(said: Thing) -> Thing:
    bare = {name: said[name] for name in ("objectType", *IDENTIFIERS) if name in said}
    if "member" in said and not any(name in said for name in IDENTIFIERS):
        bare["member"] = [_bare_agent(member) for member in said["member"]]
    return bare


def _in_one_language(definition: Thing, languages: Sequence[str]) -> Thing:
    made = {**definition}
    for name in ("name", "description"):
        if name in made:
            made[name] = _chosen(made[name], languages)
    for name in COMPONENT_LISTS:
        if name in made:
            made[name] = [
                {**each, "description": _chosen(each["description"], languages)} if "description" in each else each
                for each in made[name]
            ]
    return made


def _chosen(texts: Mapping[str, str], languages: Sequence[str]) -> dict[str, str]:
    """The one text that fits best (RFC 4647, lookup): where none fits, the English one or the first."""
    tags = {tag.lower(): tag for tag in texts}
    for language in (*languages, "en"):
        wanted = language.lower()
        while wanted and wanted != "*":
            near = (tag for tag in tags if tag.startswith(f"{wanted}-"))
            found = wanted if wanted in tags else next(near, None)
            if found:
                return {tags[found]: texts[tags[found]]}
            wanted = wanted.rpartition("-")[0]
    return dict(list(texts.items())[:1])
