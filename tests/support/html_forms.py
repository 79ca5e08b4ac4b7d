"""The forms of a page, with what a browser would send and what else they offer."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

Pair = tuple[str, str]


@dataclass
class HtmlForm:
    method: str
    action: str
    filled: list[Pair] = field(default_factory=list)  # what is sent when nobody changes anything
    offered: list[Pair] = field(default_factory=list)  # every choice there is
    typed: set[str] = field(default_factory=set)  # names of fields that take any text


def forms_of(page: str) -> list[HtmlForm]:
    reader = _Reader()
    reader.feed(page)
    return reader.forms


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[HtmlForm] = []
        self._open: HtmlForm | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = HtmlForm(given.get("method", "get").upper(), given.get("action", ""))
            self.forms.append(self._open)
        elif self._open is not None and tag in ("input", "textarea", "button"):
            self._field(self._open, tag, given)
        elif tag == "select":
            self._select = given.get("name")
        elif tag == "option" and self._open is not None and self._select:
            self._choice(self._open, self._select, given.get("value", ""), "selected" in given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None

    def _field(self, form: HtmlForm, tag: str, given: dict[str, str]) -> None:
        name, kind, value = given.get("name"), given.get("type", tag), given.get("value", "")
        if not name:
            return
        if kind in ("radio", "checkbox"):
            self._choice(form, name, value, "checked" in given)
        else:
            is_typed = kind not in ("hidden", "button", "submit")
            form.filled.append((name, value or ("5" if is_typed and "required" in given else "")))
            form.offered.append((name, value))
            form.typed |= {name} if is_typed else set()

    def _choice(self, form: HtmlForm, name: str, value: str, is_chosen: bool) -> None:
        form.offered.append((name, value))
        if is_chosen or name not in dict(form.filled):
            form.filled = [pair for pair in form.filled if pair[0] != name or is_chosen] + [(name, value)]
