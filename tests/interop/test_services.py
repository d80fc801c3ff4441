"""The standard services beside ours: health and reflection."""

from collections.abc import Callable

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
@pytest.fixture(params=["v1", "v1alpha"])
def reflect(request) -> Callable:
    """Asks what there is, over a connection that proves nothing."""

    def reflect(channel: grpc.Channel, *requests: reflection_pb2.ServerReflectionRequest):
        ask = channel.stream_stream(
            f"/grpc.reflection.{request.param}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        return ask(iter(requests), timeout=10)

    return reflect


def test_reflection_tells_everybody_the_whole_protocol(gateway, reflect):
    listed, described = reflect(
        gateway.channel,
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    )

    names = {service.name for service in listed.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names
    files = map(descriptor_pb2.FileDescriptorProto.FromString, described.file_descriptor_response.file_descriptor_proto)
    (service,) = [service for file in files for service in file.service]
    assert {method.name for method in service.method} == set(METHODS)


def test_reflection_tells_nobody_anything_where_it_is_not_wanted(own_gateway, own_keys, reflect):
    with own_gateway(own_keys, GRPC_REFLECTION="false") as gateway:
        with refused(grpc.StatusCode.UNIMPLEMENTED):
            next(reflect(gateway.channel, reflection_pb2.ServerReflectionRequest(list_services="")))


def test_a_method_that_is_not_there_is_unimplemented(worker):
    call = worker.channel.unary_unary(f"/{SERVICE}/NoSuchMethod")
    with refused(grpc.StatusCode.UNIMPLEMENTED):
        call(b"", timeout=10, metadata=worker.metadata)
