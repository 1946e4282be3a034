#!/usr/bin/env python3
"""Random messages to each method of gRPC, made from the descriptors: an answer or the caller's fault, never the server's.

    grpc_random_test.py --akin PROGRAM --model FOLDER

AKIN_TEST_MESSAGES: to each method of each kind of model; 100.
"""
import os
import pathlib
import random
import unittest

from grpc_messages import main, make_messages
from serve_process import ARGUMENTS, TIMEOUT, Server

MESSAGES = int(os.environ.get("AKIN_TEST_MESSAGES", "100"))
TEXTS = ["", "a", "A cat sleeps in the sun.", "word " * 300, "\0\x1b\r\n", "\u202e\U0001f600\u0301" * 5, "\U0010ffff", "tei.v1.Embed", "\\", "x" * 5000]
NUMBERS = [0, 1, 2, 5, 17, 63, 64, 65, 700, 2**31 - 1, 2**32 - 1, 2**63 - 1, -1, -2**31, -2**63]
# What a caller may be told. Not: INTERNAL, UNKNOWN, ABORTED, DATA_LOSS, UNAUTHENTICATED, DEADLINE_EXCEEDED.
CALLERS = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE", "FAILED_PRECONDITION", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"}
ENDLESS = {"/grpc.health.v1.Health/Watch"}


def number(choose, low, high):
    return choose.choice([n for n in NUMBERS if low <= n <= high])


def value(choose, field, depth):
    if field.type == field.TYPE_MESSAGE:
        return random_message(choose, field.message_type, depth + 1)
    if field.type == field.TYPE_ENUM:
        return choose.choice([v.number for v in field.enum_type.values] + [-1, 99])
    return {field.CPPTYPE_STRING: lambda: choose.choice([t.encode() for t in TEXTS] if field.type == field.TYPE_BYTES else TEXTS),
            field.CPPTYPE_BOOL: lambda: choose.random() < 0.5,
            field.CPPTYPE_INT32: lambda: number(choose, -2**31, 2**31 - 1),
            field.CPPTYPE_INT64: lambda: number(choose, -2**63, 2**63 - 1),
            field.CPPTYPE_UINT32: lambda: number(choose, 0, 2**32 - 1),
            field.CPPTYPE_UINT64: lambda: number(choose, 0, 2**63),
            field.CPPTYPE_FLOAT: lambda: choose.choice([0.0, -1.5, 3e38, float("inf"), float("nan")]),
            field.CPPTYPE_DOUBLE: lambda: choose.choice([0.0, -1.5, 1e308, float("inf"), float("nan")])}[field.cpp_type]()


def random_message(choose, descriptor, depth=0):
    from google.protobuf import message_factory

    message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if depth > 4 or choose.random() < 0.3:
            continue
        if field.is_repeated:
            values = [value(choose, field, depth) for _ in range(choose.choice([0, 1, 1, 3, 40]))]
            getattr(message, field.name).extend(values)
        elif field.type == field.TYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(value(choose, field, depth))
        else:
            setattr(message, field.name, value(choose, field, depth))
    if choose.random() < 0.1:  # Fields that the server does not know.
        message.MergeFromString(b"\xfa\x7f\x03abc\xf0\x7f\x05")
    return message


class RandomMessages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import grpc

        cls.grpc = grpc
        make_messages()
        from akidb.embedding.v1 import embedding_pb2
        from grpc_health.v1 import health_pb2
        from grpc_reflection.v1alpha import reflection_pb2
        from tei.v1 import tei_pb2

        cls.methods = {f"/{service.full_name}/{method.name}": method
                       for module in (embedding_pb2, health_pb2, reflection_pb2, tei_pb2)
                       for service in module.DESCRIPTOR.services_by_name.values() for method in service.methods}

    def code_of(self, channel, path, method, choose):
        """-> (the status of a call with random messages, its details)"""
        kind = "_".join(("stream" if streams else "unary") for streams in (method.client_streaming, method.server_streaming))
        call = getattr(channel, kind)(path, request_serializer=lambda m: m.SerializeToString(), response_deserializer=bytes)
        messages = [random_message(choose, method.input_type) for _ in range(choose.choice([1, 1, 5]) if method.client_streaming else 1)]
        try:
            if method.server_streaming:
                answers = call(iter(messages) if method.client_streaming else messages[0], timeout=TIMEOUT)
                if path in ENDLESS:
                    next(answers)
                    answers.cancel()
                else:
                    list(answers)
            else:
                call(iter(messages) if method.client_streaming else messages[0], timeout=TIMEOUT)
        except self.grpc.RpcError as error:
            return error.code().name, error.details()
        return "OK", None

    def ask_all(self, model):
        server = Server(models=[str(pathlib.Path(ARGUMENTS.model).with_name(model))])
        self.addCleanup(server.stop)
        seen = {}
        with self.grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            for path, method in self.methods.items():
                choose = random.Random(f"{model} {path}")
                for i in range(MESSAGES):
                    code, details = self.code_of(channel, path, method, choose)
                    seen.setdefault(path, set()).add(code)
                    self.assertIn(code, CALLERS, f"message {i} to {path} of {model}: {details}")
        self.assertIsNone(server.process.poll())
        self.assertEqual(server.get("/health")[0], 200)
        return seen

    def test_to_an_embedder(self):
        seen = self.ask_all("bert-mean")
        for path in ("/tei.v1.Embed/Embed", "/tei.v1.Tokenize/Tokenize", "/akidb.embedding.v1.EmbeddingService/Embed"):
            self.assertIn("OK", seen[path], "no message of them was right")
        self.assertIn("INVALID_ARGUMENT", seen["/tei.v1.Embed/Embed"])

    def test_to_a_reranker(self):
        seen = self.ask_all("cross-bert")
        self.assertIn("OK", seen["/tei.v1.Predict/Predict"])

    def test_to_a_sparse_model(self):
        seen = self.ask_all("splade-bert")
        self.assertIn("OK", seen["/tei.v1.Embed/EmbedSparse"])


if __name__ == "__main__":
    main("grpc_health", "grpc_reflection")
