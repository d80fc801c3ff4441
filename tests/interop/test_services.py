"""The standard services beside ours: health and reflection."""

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from protocol import METHODS, SERVICE
from worker import refused

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_needs_no_credential(gateway, service):
    health = health_pb2_grpc.HealthStub(gateway.channel)
    request = health_pb2.HealthCheckRequest(service=service)

    assert health.Check(request, timeout=10).status == SERVING
    watch = health.Watch(request, timeout=10)
    assert next(watch).status == SERVING
    watch.cancel()


def test_health_of_what_is_not_there_is_not_found(gateway):
    health = health_pb2_grpc.HealthStub(gateway.channel)
    with refused(grpc.StatusCode.NOT_FOUND):
        health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=10)


# The messages of both versions are the same on the wire.
@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_tells_the_whole_protocol(worker, version):
    ask = worker.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    ]
    listed, described = ask(iter(requests), timeout=10, metadata=worker.metadata)

    names = {service.name for service in listed.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names
    files = map(descriptor_pb2.FileDescriptorProto.FromString, described.file_descriptor_response.file_descriptor_proto)
    (service,) = [service for file in files for service in file.service]
    assert {method.name for method in service.method} == set(METHODS)


def test_a_method_that_is_not_there_is_unimplemented(worker):
    call = worker.channel.unary_unary(f"/{SERVICE}/NoSuchMethod")
    with refused(grpc.StatusCode.UNIMPLEMENTED):
        call(b"", timeout=10, metadata=worker.metadata)
