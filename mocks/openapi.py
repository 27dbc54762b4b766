"""A route table as an OpenAPI 3.1 document: what each operation takes, and every status that it answers with.

Some statuses follow from what a route is: 401 where it wants a session, 400 and 422 where it reads content, 413 where
that is a body. The others stand in its ``refuses``. A system that fails, or has a fault switched on, answers 5xx, some
faults another status that the order names: no document can list those.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mocks.wire import HTML, KEY, Failure, Nothing, Route, reads

_REF = "#/components/schemas/{name}"
_MEDIA = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "bytes": "application/octet-stream",
    "xml": "application/xml",
}
_SCHEMAS = {"bytes": {"type": "string", "format": "binary"}, "xml": {"type": "string"}}
_PAGE = {"schema": {"type": "string"}}
_ABOUT = "A fault that is switched on inside the system answers as its order says: with any status from 400 to 599."
_REASONS = {
    400: "Not readable",
    401: "No session, or not a valid one",
    403: "Not this one's to do",
    404: "Unknown",
    408: "The body came too slowly",
    409: "The state forbids it",
    410: "Closed",
    413: "The body is too large",
    422: "Content of another shape, or that doesn't fit",
    429: "Too many; come back later",
}
_SESSIONS = {
    "people": "A session, or what VNeID or the axis gave for one",
    "system": "The session that another system has opened by /login",
    "operator": "What opens the control API",
}
Refs = Mapping[type, Mapping[str, Any]]


def document(title: str, routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI document of a system's routes."""
    refs, schemas = _components(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _security(routes)},
    }


def _components(routes: Sequence[Route]) -> tuple[Refs, dict[str, Any]]:
    """Return where each type's schema is, and the schemas; types of one name get longer ones."""
    types: dict[type, None] = {Failure: None}
    for route in routes:
        types |= dict.fromkeys(type_ for type_ in (route.takes, route.gives, *route.speaks) if type_ is not None)
    refs, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(zip(types, refs, strict=True)), schemas


def _operation(route: Route, refs: Refs) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "parameters": _parameters(route),
        "responses": _responses(route, refs),
    }
    if reads(route):
        schema = _SCHEMAS.get(route.source) or refs[route.takes]
        required = route.source == "xml" or (route.source != "bytes" and route.takes is not Nothing)
        operation["requestBody"] = {"required": required, "content": {_MEDIA[route.source]: {"schema": schema}}}
    if route.auth is not None:
        operation["security"] = [{_scheme(route): []}]
    return operation


def _security(routes: Sequence[Route]) -> dict[str, Any]:
    asked = {_scheme(route): route.cookie for route in routes if route.auth is not None}
    return {name: _cookie(name) if cookie else _bearer(name) for name, cookie in sorted(asked.items())}


def _scheme(route: Route) -> str:
    """Name whose session a route asks for."""
    return route.cookie or ("operator" if route.spared else "system" if route.peers else "people")


def _cookie(name: str) -> dict[str, Any]:
    return {"type": "apiKey", "in": "cookie", "name": name}


def _bearer(name: str) -> dict[str, Any]:
    return {"type": "http", "scheme": "bearer", "description": _SESSIONS[name]}


def _responses(route: Route, refs: Refs) -> dict[str, Any]:
    success = {"type": "object"} if route.gives is None else refs[route.gives]
    answers = {str(status): _answer("Success", media, {"type": "string"}) for status, media in route.media.items()}
    good = answers.setdefault(str(route.status), _answer("Success", "application/json", success))
    if route.shown is not None:
        good.get("content", {})[HTML] = _PAGE
    for status in refusals(route):
        answers.setdefault(str(status), _error(_REASONS[status], refs))
    if not route.spared:
        answers["5XX"] = _error("The system, or one that it asks, fails", refs)
    return dict(sorted(answers.items()))


def _error(description: str, refs: Refs) -> dict[str, Any]:
    """Return an error: JSON, and for a browser a page."""
    answer = _answer(description, "application/json", refs[Failure])
    answer["content"][HTML] = _PAGE
    return answer


def refusals(route: Route) -> set[int]:
    """Return every status below 500 with which a route refuses."""
    found = set(route.refuses)
    if route.auth is not None:
        found.add(401)
    if route.keyed or route.takes is not Nothing or reads(route):
        found |= {400, 422}
    if reads(route):
        found |= {408, 413}
    return found


def _answer(description: str, media: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, **({"content": {media: {"schema": schema}}} if media else {})}


def _parameters(route: Route) -> list[dict[str, Any]]:
    found = [_parameter("path", name, True, {"type": "string"}) for name in re.findall(r"{(\w+)}", route.path)]
    if route.keyed:
        pattern = {"type": "string", "pattern": f"^{KEY.pattern}$"}
        found.append(_parameter("header", "Idempotency-Key", True, pattern))
    if route.source == "query":
        found += _query(route.takes)
    return found


def _query(takes: type[msgspec.Struct]) -> list[dict[str, Any]]:
    schema = msgspec.json.schema_components([takes], ref_template=_REF)[1][takes.__name__]
    required = schema.get("required", [])
    return [_parameter("query", name, name in required, what) for name, what in schema["properties"].items()]


def _parameter(where: str, name: str, required: bool, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": where, "name": name, "required": required, "schema": schema}
