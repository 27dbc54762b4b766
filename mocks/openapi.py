"""A route table as an OpenAPI 3.1 document."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from mocks.wire import KEY, Failure, Nothing, Route

_REF = "#/components/schemas/{name}"
_MEDIA = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def document(title: str, routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI document of a system's routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": _security(routes),
        },
    }


def _schemas(routes: Sequence[Route]) -> dict[str, Any]:
    types: set[type] = {Failure}
    for route in routes:
        types |= {route.takes} | ({route.gives} if route.gives else set())
    ordered = sorted(types, key=lambda type_: type_.__name__)
    return msgspec.json.schema_components(ordered, ref_template=_REF)[1]


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "parameters": _parameters(route),
        "responses": {str(route.status): _success(route), "default": _content("An error", Failure)},
    }
    if route.source == "bytes":
        operation["requestBody"] = {"required": True, "content": _BYTES}
    elif route.source != "query" and route.takes is not Nothing:
        operation["requestBody"] = {
            "required": True,
            "content": {_MEDIA[route.source]: {"schema": _ref(route.takes)}},
        }
    if route.auth is not None:
        operation["security"] = [{route.cookie or "bearer": []}]
    return operation


def _security(routes: Sequence[Route]) -> dict[str, Any]:
    cookies = sorted({route.cookie for route in routes if route.cookie})
    schemes: dict[str, Any] = {name: {"type": "apiKey", "in": "cookie", "name": name} for name in cookies}
    return {"bearer": {"type": "http", "scheme": "bearer"}, **schemes}


def _success(route: Route) -> dict[str, Any]:
    return {"description": "Success"} if route.gives is None else _content("Success", route.gives)


def _content(description: str, type_: type) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(type_)}}}


def _ref(type_: type) -> dict[str, str]:
    return {"$ref": _REF.format(name=type_.__name__)}


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
