"""Where a call that goes wrong becomes a status: bytes that are no message, a silent chain or disk, a fault of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from chain.errors import ChainUnavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands where the message would be that the bytes of a request are not."""


def _lenient(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decoded(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            return Undecodable()

    return decoded


class Boundary(grpc.aio.ServerInterceptor):
    """Around every unary call. Nothing a caller sends ends in UNKNOWN or INTERNAL; what does is a bug, and logged."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            _guarded(handler.unary_unary, handler_call_details.method),
            _lenient(handler.request_deserializer),
            handler.response_serializer,
        )


def _guarded(call: Callable[[Any, Any], Awaitable[Any]], method: str) -> Callable[[Any, Any], Awaitable[Any]]:
    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> Any:
        if isinstance(request, Undecodable):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request is not the message this method takes")
        try:
            return await call(request, context)
        except grpc.aio.AbortError:
            raise
        except ChainUnavailable as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except OSError as error:
            why = error.strerror or error
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"the disk fails ({why}); try again later")
        except Exception:
            log.exception("call_crashed", method=method)
            await context.abort(grpc.StatusCode.INTERNAL, "a fault of this validator; its log says which")

    return guarded
