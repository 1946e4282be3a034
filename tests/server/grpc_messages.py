"""What clients of gRPC are made from, for the tests beside this file: our own proto files, grpcio and grpcio-tools."""
import pathlib
import sys
import tempfile

import serve_process

ROOT = pathlib.Path(__file__).resolve().parents[2]


def make_messages():
    """Compiles the proto files and imports what comes of them."""
    from grpc_tools import protoc

    folder = tempfile.mkdtemp()
    files = ["tei/v1/tei.proto", "akidb/embedding/v1/embedding.proto"]
    status = protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={folder}", f"--grpc_python_out={folder}", *files])
    assert status == 0
    sys.path.insert(0, folder)


def main(*more):
    """Skips aloud without grpcio, grpcio-tools and `more` (tools/requirements-test.txt)."""
    missing = [module for module in ("grpc", "grpc_tools", *more) if not serve_process.has_package(module)]
    if missing:
        serve_process.in_venv()
        print(f"SKIPPED: {', '.join(missing)} of tools/requirements-test.txt are not installed")
        sys.exit(77)
    serve_process.main()
