"""JSON-RPC to a chain through several addresses: the next one is tried when one fails.

Every address must be the network's chain (chain id and genesis hash) before it is used. This module imports web3, which
takes a second: import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter

from chain.errors import ChainUnavailable
from chain.libraries import HTTPProvider, JSONBaseProvider, RPCEndpoint, RPCResponse, Web3

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 10
POOLED_CONNECTIONS = 16
NOT_ABOUT_THE_REQUEST = (401, 402, 403, 407, 408, 429)
"""These statuses say that an address does not serve us now, whatever the request: the next address is tried."""


class Endpoint:
    """One RPC address. It is used only after it has shown to be the right chain."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url = url
        self._verified = False
        timeouts = {"timeout": (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)}
        self._provider = HTTPProvider(url, request_kwargs=timeouts, session=session, exception_retry_configuration=None)

    def request(self, method: str, params: Any) -> RPCResponse:
        """The raw response; OSError or ValueError when the address does not answer with JSON-RPC."""
        try:
            response: Any = self._provider.make_request(RPCEndpoint(method), params)
        except requests.HTTPError as error:
            response = _told_by_status(error)
            if response is None:
                raise
        if not isinstance(response, dict):
            raise TypeError("the answer is not a JSON-RPC object")
        return cast("RPCResponse", response)

    def result(self, method: str, params: Any) -> Any:
        """The result of one request; ValueError if the answer is an error."""
        response = self.request(method, params)
        if "result" not in response:
            raise ValueError(f"{method} was refused: {response.get('error')}")
        return response["result"]

    def problem(self, chain_id: int, genesis_hash: bytes | None) -> str | None:
        """Why this address is not the network's chain, or None. OSError or ValueError when it does not answer."""
        found = int(self.result("eth_chainId", []), 16)
        if found != chain_id:
            return f"{self.url} is chain {found}, not {chain_id}"
        if genesis_hash is None:
            return None
        first = self.result("eth_getBlockByNumber", ["0x0", False])
        if first is None or bytes.fromhex(first["hash"][2:]) != genesis_hash:
            return f"{self.url} has chain id {chain_id} but another genesis block: it is a different network"
        return None

    def verify(self, chain_id: int, genesis_hash: bytes | None) -> None:
        """Checks once that this is the right chain; ValueError if it is not."""
        if self._verified:
            return
        problem = self.problem(chain_id, genesis_hash)
        if problem is not None:
            raise ValueError(problem)
        self._verified = True

    def doubt(self) -> None:
        """Whether this is the right chain is asked again before the next request."""
        self._verified = False


def _told_by_status(error: requests.HTTPError) -> dict[str, Any] | None:
    """The JSON-RPC error in an answer with status 4xx, as some nodes refuse a request; None if it is no such answer."""
    answer = error.response
    if answer is None or not 400 <= answer.status_code < 500 or answer.status_code in NOT_ABOUT_THE_REQUEST:
        return None
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) and body.get("error") is not None else None


UNANSWERED = (requests.RequestException, OSError, ValueError, TypeError, KeyError)
"""What an address that does not answer properly makes web3's provider or our reading of the answer raise."""


class Failover(JSONBaseProvider):
    """A web3 provider over several addresses; it stays with the one that answered last.

    An address that failed must show again that it is the right chain: another one may have been started in its place.
    """

    def __init__(self, endpoints: Sequence[Endpoint], chain_id: int, genesis_hash: bytes | None) -> None:
        super().__init__()
        self._endpoints = tuple(endpoints)
        self._chain = (chain_id, genesis_hash)
        self._current = 0
        self.failures = 0
        """How often an address failed. Unchanged between two requests: one node, asked once, answered both."""

    def doubt(self) -> None:
        """Every address must show again that it is the right chain, before anything else is asked of it."""
        for endpoint in self._endpoints:
            endpoint.doubt()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The first proper answer; ChainUnavailable names what each address said when none has one."""
        first, failures = self._current, []
        for step in range(len(self._endpoints)):
            index = (first + step) % len(self._endpoints)
            endpoint = self._endpoints[index]
            try:
                endpoint.verify(*self._chain)
                response = endpoint.request(method, params)
            except UNANSWERED as error:
                self.failures += 1
                endpoint.doubt()
                failures.append(describe(endpoint.url, error))
                continue
            self._current = index
            return response
        raise ChainUnavailable("The chain cannot be reached: " + "; ".join(failures) + ". It is tried again later.")


def describe(url: str, error: Exception) -> str:
    """One clause on why an address gave no answer."""
    if isinstance(error, requests.Timeout):
        return f"{url} did not answer within {READ_TIMEOUT_S} s"
    if isinstance(error, requests.ConnectionError):
        return f"{url} refuses the connection"
    text = str(error)
    return text if url in text else f"{url}: {text[:200]}"


class Rpc:
    """A chain: its addresses, one shared HTTP session, and web3 on top."""

    def __init__(self, urls: Sequence[str], chain_id: int, genesis_hash: bytes | None = None) -> None:
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=len(urls), pool_maxsize=POOLED_CONNECTIONS, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self.endpoints = tuple(Endpoint(url, self._session) for url in urls)
        self.provider = Failover(self.endpoints, chain_id, genesis_hash)
        self.web3 = Web3(self.provider)

    def close(self) -> None:
        """Gives the connections back."""
        self._session.close()
