# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a coordinator answers is what its /openapi.json says: each route, by each role, with bodies and
queries made of its schemas."""
import ssl
import subprocess

from lib.api import client_context
from lib.contract_walk import Walk
from lib.long_form import only_full
from lib.world import SystemTest

SEED = 20261130


class WalkTest(SystemTest):
    def walk(self, seed, right, wrong):
        walk = Walk(self.a, self.b, seed, right, wrong)
        self.addCleanup(walk.close)
        walk.run()
        return walk

    def judge(self, *walks):
        differences = [found for walk in walks for found in walk.differences]
        asked = sum(sum(walk.counts.values()) for walk in walks)
        routes = len(walks[0].operations)
        statuses = {status: sum(walk.statuses[status] for walk in walks)
                    for status in sorted(set().union(*(walk.statuses for walk in walks)), key=str)}
        self.note(f"{asked} requests of {routes} routes, {len(differences)} differences; " +
                  " ".join(f"{status}:{count}" for status, count in statuses.items()))
        self.assertEqual(differences, [], "\n" + "\n".join(differences[:200]))


class ContractTest(WalkTest):
    timeout_seconds = 300       # 70 s on a quiet machine

    def nobody(self):
        """Contexts of callers that no role knows: without a certificate, and with one that names
        nobody."""
        directory = self.world.dir / "nobody"
        directory.mkdir()
        pki = self.a.dir.parent
        request, certificate = directory / "request.pem", directory / "cert.pem"
        key, extensions = directory / "key.pem", directory / "extensions"
        extensions.write_text("extendedKeyUsage=clientAuth\nsubjectAltName=DNS:nobody.example\n",
                              encoding="utf-8")
        for arguments in (
                ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-keyout", key, "-subj", "/CN=nobody", "-out", request],
                ["x509", "-req", "-in", request, "-CA", pki / "ca.pem", "-CAkey", pki / "ca-key.pem",
                 "-set_serial", "77", "-days", "1", "-extfile", extensions, "-out", certificate]):
            subprocess.run(["openssl", *map(str, arguments)], check=True,
                           stdin=subprocess.DEVNULL, capture_output=True)
        named_nobody = client_context(self.b.dir)
        named_nobody.load_cert_chain(certificate, key)
        return without_certificate(self.b.dir), named_nobody

    def test_each_answer_is_one_that_the_document_tells_of(self):
        walk = self.walk(SEED, right=2, wrong=3)
        walk.strangers(self.nobody())
        self.judge(walk)


class LongTest(WalkTest):
    """Many bodies of each route, made in three ways."""

    timeout_seconds = 3600

    @only_full
    def test_first_long_walk(self):
        self.judge(self.walk(0, right=25, wrong=40))

    @only_full
    def test_second_long_walk(self):
        self.judge(self.walk(1, right=25, wrong=40))

    @only_full
    def test_third_long_walk(self):
        self.judge(self.walk(2, right=25, wrong=40))


def without_certificate(directory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(f"{directory}/ca.pem")
    return context
