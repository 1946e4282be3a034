"""Certificates for tests of TLS on the loopback, made by the program openssl."""
import shutil
import ssl
import subprocess


class Certificates:
    """Two authorities, and certificates of the first for 127.0.0.1 and for another host."""

    def __init__(self, folder):
        self.folder = folder
        for authority in ("ours", "other"):
            self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=Test {authority}",
                         "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", f"{authority}.key", "-out", f"{authority}.pem")
        self.make("server", "IP:127.0.0.1")
        self.make("stranger", "DNS:elsewhere.example")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def make(self, name, host):
        (self.folder / "extensions").write_text(f"subjectAltName={host}\n")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ours.pem", "-CAkey", "ours.key", "-CAcreateserial", "-days", "2",
                     "-extfile", "extensions", "-out", f"{name}.pem")

    def path(self, name):
        return str(self.folder / name)

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(f"{name}.pem"), self.path(f"{name}.key"))
        return context

    def hashed_folder(self):
        """What `openssl rehash` makes of a folder with our authority: what SSL_CERT_DIR names."""
        folder = self.folder / "hashed"
        folder.mkdir(exist_ok=True)
        name = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", self.path("ours.pem")], check=True,
                              capture_output=True, text=True).stdout.strip()
        shutil.copy(self.path("ours.pem"), folder / f"{name}.0")
        return str(folder)
