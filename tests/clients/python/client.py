# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of the REST API by what others made: datamodel-codegen's models of /openapi.json (api.py),
which take each answer apart; openapi-core, which holds each request and each answer, with its status
and headers, against the same document; and httpx."""
import dataclasses
import json
import ssl
from collections.abc import Hashable, Mapping

import httpx
import pydantic
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters

from api import Problem

SECONDS = 60


class Endpoint(pydantic.BaseModel):
    id: str
    socket: str | None = None
    url: str = "http://migrd"
    ca: str = ""
    cert: str = ""
    key: str = ""


class Refused(Exception):
    """An answer with a problem document."""

    def __init__(self, problem: Problem, headers: httpx.Headers) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}")
        self.problem, self.headers = problem, headers


@dataclasses.dataclass
class Answer[T]:
    status: int
    headers: httpx.Headers
    value: T


@dataclasses.dataclass
class _Request:
    """As openapi-core wants it."""

    path: str
    method: str
    parameters: RequestParameters
    body: bytes | None
    host_url: str = "https://localhost:8440"
    content_type: str = "application/json"


@dataclasses.dataclass
class _Response:
    status_code: int
    headers: Mapping[str, str]
    content_type: str
    data: bytes


def _transport(at: Endpoint) -> httpx.HTTPTransport:
    if at.socket:
        return httpx.HTTPTransport(uds=at.socket)
    context = ssl.create_default_context(cafile=at.ca)
    context.load_cert_chain(at.cert, at.key)
    return httpx.HTTPTransport(verify=context)


class Host:
    """One coordinator."""

    def __init__(self, at: Endpoint, document: Mapping[Hashable, object]) -> None:
        self.id, self.answers = at.id, 0
        # The certificate must be that of the host, wherever it listens.
        self._extensions = {} if at.socket else {"sni_hostname": f"{at.id}.host.migrd"}
        self._http = httpx.Client(transport=_transport(at), base_url=at.url, timeout=SECONDS)
        # openapi-core 0.19 does not know mutualTLS, which OpenAPI has since 3.1.
        self._api = OpenAPI.from_dict({**document, "security": []}, config=Config(
            extra_media_type_deserializers={"application/problem+json": json.loads}))

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, body: pydantic.BaseModel | None = None,
            query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
            ) -> httpx.Response:
        """The answer; Refused from 400 on."""
        data = body.model_dump_json(exclude_unset=True, by_alias=True).encode() if body else None
        asked = _Request(path, method.lower(), RequestParameters(
            query=dict(query or {}), header=dict(headers or {}), cookie={}), data)
        self._api.validate_request(asked)
        answer = self._http.request(
            method, path, content=data, params=query, extensions=self._extensions,
            headers={"Content-Type": "application/json", **(headers or {})})
        self._api.validate_response(asked, _Response(
            answer.status_code, dict(answer.headers), answer.headers.get("Content-Type", ""),
            answer.content))
        self.answers += 1
        if answer.status_code >= 400:
            raise Refused(Problem.model_validate_json(answer.content), answer.headers)
        return answer

    def call[T: pydantic.BaseModel](
            self, kind: type[T], method: str, path: str, body: pydantic.BaseModel | None = None,
            query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
            ) -> Answer[T]:
        """KIND: the model that the document has for the answer."""
        answer = self.ask(method, path, body, query, headers)
        return Answer(answer.status_code, answer.headers, kind.model_validate_json(answer.content))

    def get[T: pydantic.BaseModel](self, kind: type[T], path: str,
                                   query: Mapping[str, str] | None = None) -> T:
        return self.call(kind, "GET", path, query=query).value

    def post[T: pydantic.BaseModel](self, kind: type[T], path: str,
                                    body: pydantic.BaseModel | None = None,
                                    query: Mapping[str, str] | None = None,
                                    headers: Mapping[str, str] | None = None) -> T:
        return self.call(kind, "POST", path, body, query, headers).value
