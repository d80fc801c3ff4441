"""The protocol as Python speaks it: stubs made from proto/ at each run, so that none is out of date."""

import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]

# Kept for as long as the tests run; it goes with the interpreter.
_folder = tempfile.TemporaryDirectory(prefix="antcode-stubs-")
_failed = protoc.main(
    [
        "protoc",
        f"--proto_path={ROOT / 'proto'}",
        f"--python_out={_folder.name}",
        f"--grpc_python_out={_folder.name}",
        "antcode/v1/common.proto",
        "antcode/v1/gateway.proto",
    ]
)
if _failed:
    raise RuntimeError("the stubs could not be made from proto/; protoc says why above")
sys.path.insert(0, _folder.name)

from antcode.v1 import common_pb2 as common  # noqa: E402
from antcode.v1 import gateway_pb2 as pb  # noqa: E402
from antcode.v1 import gateway_pb2_grpc as stubs  # noqa: E402
from google.protobuf.message_factory import GetMessageClass  # noqa: E402

__all__ = ["METHODS", "ROOT", "SERVICE", "common", "path_of", "pb", "request_class", "response_class", "stubs"]

_descriptor = pb.DESCRIPTOR.services_by_name["GatewayService"]
SERVICE = _descriptor.full_name
METHODS = {method.name: method for method in _descriptor.methods}


def path_of(method: str) -> str:
    """What a call of `method` asks for in HTTP."""
    return f"/{SERVICE}/{method}"


def request_class(method: str) -> type:
    """The message that `method` takes."""
    return GetMessageClass(METHODS[method].input_type)


def response_class(method: str) -> type:
    """The message that `method` answers with."""
    return GetMessageClass(METHODS[method].output_type)
