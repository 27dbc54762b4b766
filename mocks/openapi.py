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
}
_BYTES = {"type": "string", "format": "binary"}
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
        schema = _BYTES if route.source == "bytes" else refs[route.takes]
        required = route.source != "bytes" and route.takes is not Nothing
        operation["requestBody"] = {"required": required, "content": {_MEDIA[route.source]: {"schema": schema}}}
    if route.auth is not None:
        operation["security"] = [{route.cookie or "bearer": []}]
    return operation


def _security(routes: Sequence[Route]) -> dict[str, Any]:
    cookies = sorted({route.cookie for route in routes if route.cookie})
    schemes: dict[str, Any] = {name: {"type": "apiKey", "in": "cookie", "name": name} for name in cookies}
    return {"bearer": {"type": "http", "scheme": "bearer"}, **schemes}


def _responses(route: Route, refs: Refs) -> dict[str, Any]:
    success = {"type": "object"} if route.gives is None else refs[route.gives]
    answers = {str(status): _answer("Success", media, {"type": "string"}) for status, media in route.media.items()}
    answers.setdefault(str(route.status), _answer("Success", "application/json", success))
    for status in refusals(route):
        answers.setdefault(str(status), _answer(_REASONS[status], "application/json", refs[Failure]))
    if not route.spared:
        broken = _answer("The system, or one that it asks, fails", "application/json", refs[Failure])
        broken["content"][HTML] = {"schema": {"type": "string"}}
        answers["5XX"] = broken
    return dict(sorted(answers.items()))


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
