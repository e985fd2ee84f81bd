#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A text of OpenMetrics on standard input, read by the strict parser of python3-prometheus-client, which
Debian's Python finds: {"families": [name], "samples": [[name, [value of a label], value]]}."""
import json
import sys

from prometheus_client.openmetrics import parser

families = list(parser.text_string_to_metric_families(sys.stdin.read()))
json.dump({"families": [family.name for family in families],
           "samples": [[sample.name, list(sample.labels.values()), sample.value]
                       for family in families for sample in family.samples]}, sys.stdout)
