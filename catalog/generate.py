#!/usr/bin/env python3
"""Writes catalog/google.catalog: what Google's Discovery documents say of every resource of Google Cloud.

    pip download --no-deps google-api-python-client==2.202.0
    python3 catalog/generate.py google_api_python_client-2.202.0-py3-none-any.whl

Python 3.11 or newer and its standard library; no network. The same wheel and the same rules give the same bytes (with another
build of zlib, the same contents in other bytes: `--check` compares contents). docs/catalog.md says what the file is for.

The file is one line of text, `rectify-catalog FORMAT SOURCE` and four lengths, then raw DEFLATE streams: the index (a line an
API), the dictionary, and one stream an API that was compressed with that dictionary, so that each can be read alone.

A stream is text. Its first section names the API and its types:

    A service version root prefix
    T collection pattern names schema asset update token
    M method verb path body answer parameters
    R rule field value… | source

A `*` in a pattern is one segment of a name, `**` is one or more. The path of a method is `^n` and what follows: the name of the
resource without its last n segments, where `$` is the last segment and `{x}` an argument of the method. After a line `S`, the second section has one schema after the other, each begun by a line
`S`, with a line a field: `name type flags`. A type is a letter (see LETTERS), `e` and the values of an enum, `[` and the type of
an element, `{` and the type of a map's value, or a schema: `@` is the first that no line before named, `@n` is the n-th.
Flags: `o` output only, `i` immutable, `w` input only, `r` required when it is made.
"""

import argparse
import collections
import fnmatch
import json
import pathlib
import re
import sys
import tomllib
import zipfile
import zlib

FORMAT = 1
WHEEL = "google-api-python-client"
HERE = pathlib.Path(__file__).parent
TARGET = HERE / "google.catalog"
RULES = HERE / "rules.toml"

# Methods that change nothing, and those of IAM policies, which a runbook may not write.
LEFT_OUT = {"getIamPolicy", "setIamPolicy", "testIamPermissions", "list", "aggregatedList", "search"}
# Parameters of every list and of every API.
COMMON_PARAMETERS = {"pageSize", "pageToken", "filter", "orderBy"}
VERBS = {"GET": "G", "POST": "P", "PATCH": "A", "PUT": "U", "DELETE": "D"}
TOKENS = ("etag", "fingerprint")
# Fields of answers that are credentials.
SECRETS = {
    "accessToken", "appCheckToken", "authString", "chatToken", "clientSecret", "idToken", "keyString", "plaintext", "privateKey",
    "refreshToken", "securePassword", "sharedSecret", "signedBlob", "signedJwt", "token",
}  # fmt: skip

LETTERS = {
    ("string", None): "s",
    ("string", "int64"): "l",
    ("string", "uint64"): "L",
    ("string", "google-datetime"): "t",
    ("string", "date-time"): "t",
    ("string", "google-duration"): "D",
    ("string", "google-fieldmask"): "m",
    ("string", "byte"): "B",
    ("integer", "uint32"): "u",
    ("number", "float"): "f",
}
PLAIN_LETTERS = {"string": "s", "integer": "i", "number": "d", "boolean": "b"}

# Of a description only how a sentence begins is read: `Output only.` says what the field is, "not output only" does not.
BEGINNING = r"(?:^|[.;:)\]!?]\s+|[*_])\[?\(?"
OUTPUT_ONLY = re.compile(BEGINNING + r"Output[ -][Oo]nly\b|\[Output [Oo]nly\]")
IMMUTABLE = re.compile(BEGINNING + r"Immutable\b")
INPUT_ONLY = re.compile(BEGINNING + r"Input[ -][Oo]nly\b")
REQUIRED = re.compile(r"(?:Output only\. |Immutable\. )?[\[(]?Required\b")


def documents(wheel):
    """The Discovery documents of generally available APIs that take the scope of Google Cloud, by service and version."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if "/discovery_cache/documents/" not in name or not name.endswith(".json"):
                continue
            document = json.loads(archive.read(name))
            # A listing has no name; v1beta1 and the like are not generally available, and compute's preview has v1's paths.
            if "name" not in document or not re.fullmatch(r"v\d+", document["version"]):
                continue
            if "cloud-platform" not in json.dumps(document.get("auth", {})):
                continue
            found[document["name"], int(document["version"][1:])] = document
    return [found[key] for key in sorted(found)]


def collections_of(resource, path=()):
    """Every collection of a document, with its methods, outermost first."""
    for name, inner in resource.get("resources", {}).items():
        yield ".".join((*path, name)), inner.get("methods", {})
        yield from collections_of(inner, (*path, name))


def is_operation(name, fields):
    """Whether a schema is a long-running operation: one of google.longrunning, or one of an API's own."""
    return {"name", "done", "response", "error"} <= set(fields) or name == "Operation" and "status" in fields


class Api:
    """One document, on its way to become text."""

    def __init__(self, document, rules):
        self.document = document
        self.service = document["rootUrl"].removeprefix("https://").split(".")[0]
        if self.service == "www":
            self.service = document["name"]
        self.version = document["version"]
        self.schemas = dict(document["schemas"])
        self.numbers = {}
        self.waiting = []
        self.rules = rules
        self.types = collections.OrderedDict()
        self.prefix = self.common_prefix()

    def common_prefix(self):
        if self.document["servicePath"]:
            return self.document["servicePath"]
        paths = [m["path"] for _, methods in collections_of(self.document) for m in methods.values()]
        starts = collections.Counter(m.group(0) for p in paths if (m := re.match(r"(?:[a-z]+/)?v\d+/", p)))
        return starts.most_common(1)[0][0] if starts else ""

    def relative(self, method):
        """A method's path below the API's prefix, as a pattern; None if it lies elsewhere."""
        path = self.document["servicePath"] + (method.get("flatPath") or method["path"])
        if not path.startswith(self.prefix):
            return None
        return re.sub(r"\{[^}]*\}", "*", path.removeprefix(self.prefix))

    def pattern(self, method):
        pattern = self.relative(method).removesuffix(":get")
        whole = re.search(r"\{\+(\w+)\}$", method["path"])
        # The last part of some names has slashes.
        if whole and re.search(r"/\.[*+]\$$", method["parameters"][whole[1]].get("pattern", "")):
            pattern = re.sub(r"\*(?:/\*)?$", "**", pattern)
        return pattern

    def reference(self, name):
        """A schema by its number, or without one where it is named first."""
        if name in self.numbers:
            return f"@{self.numbers[name]}"
        self.numbers[name] = len(self.numbers)
        self.waiting.append(name)
        return "@"

    def type_of(self, value, place):
        if "$ref" in value:
            return self.reference(value["$ref"])
        kind, form = value.get("type", "any"), value.get("format")
        if kind == "array":
            return "[" + self.type_of(value["items"], place)
        if kind == "object" and "properties" in value:
            self.schemas[place] = value
            return self.reference(place)
        if kind == "object" and "additionalProperties" in value:
            return "{" + self.type_of(value["additionalProperties"], place)
        if "enum" in value:
            return "e" + ",".join(value["enum"])
        return LETTERS.get((kind, form)) or PLAIN_LETTERS.get(kind, "x")

    def schema_lines(self):
        lines = []
        while self.waiting:
            name = self.waiting.pop(0)
            schema = self.schemas[name]
            lines.append("S")
            for field, value in sorted(schema.get("properties", {}).items()):
                kind, flags = self.type_of(value, f"{name}.{field}"), flags_of(value)
                lines.append(f"{field} {kind} {flags}".rstrip())
            if "properties" not in schema and "additionalProperties" in schema:
                lines.append("* " + self.type_of(schema["additionalProperties"], f"{name}.*"))
        return lines

    def lines(self):
        root = self.document["rootUrl"]
        lines = []
        for collection, methods in collections_of(self.document):
            schema = methods.get("get", {}).get("response", {}).get("$ref")
            # Cloud Run's Knative face lies beside the API's prefix; the same services are in its version 2.
            if schema is None or self.relative(methods["get"]) is None:
                continue
            if is_operation(schema, self.schemas[schema].get("properties", {})):
                continue
            lines += self.type_lines(collection, methods)
        if not lines:
            return []
        return [f"A {self.service} {self.version} {root} {self.prefix or '-'}", *lines, *self.schema_lines()]

    def type_lines(self, collection, methods):
        schema = methods["get"]["response"]["$ref"]
        pattern = self.pattern(methods["get"])
        name = f"{self.service}:{self.version}.{collection}"
        rules = [rule for rule in self.rules if fnmatch.fnmatchcase(name, rule["type"])]
        for rule in rules:
            rule.setdefault("used", []).append(name)
        by_rule = {rule["rule"]: rule for rule in rules}
        chosen = by_rule.get("update-by", {}).get("method")
        chosen = chosen or next((method for method in ("patch", "update") if method in methods), None)
        update = self.update_of(methods, chosen, schema, by_rule)
        names = ",".join(by_rule["named"]["names"]) if "named" in by_rule else "-"
        asset = by_rule.get("asset-type", {}).get("asset") or asset_name(schema, self.service)
        token = self.token_of(methods, chosen, schema, by_rule)
        lines = [f"T {collection} {pattern} {names} {self.reference(schema)} {asset} {update} {token}"]
        kept = {key: m for key, m in methods.items() if key not in LEFT_OUT and (key == "get" or m["httpMethod"] != "GET")}
        for key in ["get", *sorted(set(kept) - {"get"})]:
            lines.append(self.method_line(key, kept[key], pattern, schema))
        for rule in self.rules_of_discovery(methods, schema) + rules:
            lines += rule_lines(rule)
        self.types[name] = (schema, sorted(kept), rules)
        return lines

    def update_of(self, methods, chosen, schema, by_rule):
        if "update-is" in by_rule:
            return f"{chosen or '-'}:{by_rule['update-is']['dialect']}"
        if not chosen:
            return "-"
        method = methods[chosen]
        body = method.get("request", {}).get("$ref")
        verb, mask = method["httpMethod"], "updateMask" in method.get("parameters", {})
        properties = self.schemas.get(body, {}).get("properties", {})
        if body == schema and verb == "PATCH":
            if self.service == "compute":
                return f"{chosen}:compute"
            if mask:
                return f"{chosen}:mask"
            description = method["description"].lower()
            merges = re.search(r"patch semantics|partial(?:ly)? update|only replaces fields that are provided|\bpatch(?:es)?\b", description)
            return f"{chosen}:{'merge' if merges else 'whole'}"
        if body == schema and verb == "PUT":
            return f"{chosen}:{'put-mask' if mask else 'put'}"
        holders = [field for field, value in properties.items() if value.get("$ref") == schema]
        if len(holders) == 1 and verb in ("PATCH", "PUT"):
            masks = [field for field, value in properties.items() if value.get("format") == "google-fieldmask"]
            return f"{chosen}:wrapped,{holders[0]},{masks[0] if masks else ''}"
        return f"{chosen}:other"

    def token_of(self, methods, chosen, schema, by_rule):
        if "token" in by_rule:
            return by_rule["token"]["token"]
        if not chosen:
            return "-"
        properties = self.schemas[schema].get("properties", {})
        parameters = methods[chosen].get("parameters", {})
        if "metageneration" in properties and "ifMetagenerationMatch" in parameters:
            return "metageneration?ifMetagenerationMatch"
        for token in TOKENS:
            if token in properties:
                is_sent = methods[chosen].get("request", {}).get("$ref") == schema or "wrapped" in self.update_of(
                    methods, chosen, schema, by_rule
                )
                # What the API alone writes cannot be sent back in the body: it is compared only.
                return token if is_sent and "o" not in flags_of(properties[token]) else f"{token}!"
        return "-"

    def method_line(self, key, method, pattern, schema):
        path = self.method_path(method, pattern)
        body = method.get("request", {}).get("$ref")
        sent = "-" if not body else "=" if body == schema else self.reference(body)
        return f"M {key} {VERBS[method['httpMethod']]} {path} {sent} {self.answer(method, schema)} {parameters_of(method)}"

    def method_path(self, method, pattern):
        path = self.relative(method)
        segments = pattern.replace("**", "*").split("/")
        for dropped in range(len(segments)):
            beginning = "/".join(segments[: len(segments) - dropped])
            rest = path.removeprefix(beginning)
            if path.startswith(beginning) and rest[:1] in ("", "/", ":"):
                # Compute's global target proxies have verbs on a path without `global`: `$` is the last segment of the name.
                rest = rest.replace(f"/{segments[-2]}/*/", f"/{segments[-2]}/$/") if dropped > 1 else rest
                names = iter(re.findall(r"\{([^}]*)\}", method.get("flatPath") or method["path"])[beginning.count("*") :])
                return f"^{dropped or ''}" + re.sub(r"\*", lambda _: "{" + next(names) + "}", rest)
        sys.exit(f"{self.service}:{self.version}: {path} does not lie at {pattern}")

    def answer(self, method, schema):
        name = method.get("response", {}).get("$ref")
        if not name:
            return "-"
        if name == schema:
            return "="
        fields = self.schemas[name].get("properties", {})
        if {"name", "done", "response", "error"} <= set(fields):
            return "oS" if "selfLink" in fields else "o"
        if is_operation(name, fields):
            return {"compute": "oc", "sqladmin": "oq", "container": "ok", "deploymentmanager": "oc", "dns": "od"}[self.service]
        return "?" if fields else "-"

    def rules_of_discovery(self, methods, schema):
        """Rules that the documents themselves give, for as many types as they are true of."""
        rules = []
        for key, method in sorted(methods.items()):
            answer = method.get("response", {}).get("$ref")
            secret = sorted(SECRETS & self.schemas.get(answer, {}).get("properties", {}).keys())
            if answer != schema and secret:
                rules.append({"rule": "secret-answer", "method": key, "source": f"Discovery: the answer has {secret[0]}"})
        if "undelete" in methods and "delete" in methods:
            rules.append({"rule": "undeletes", "method": "undelete", "source": "Discovery: the method undelete"})
        # Compute's labels are set by a verb of their own wherever its message asks for their own fingerprint.
        body = self.schemas.get(methods.get("setLabels", {}).get("request", {}).get("$ref"), {}).get("properties", {})
        if self.service == "compute" and "labelFingerprint" in body and "labels" in self.schemas[schema].get("properties", {}):
            source = "Discovery: the message of setLabels has labels and labelFingerprint"
            label = {"field": "labels", "method": "setLabels", "argument": "labels", "token": "labelFingerprint"}
            rules.append({"rule": "set-by", **label, "source": source})
        return rules

    def check_rules(self):
        """A rule that names what is not there is a mistake, not a rule."""
        for name, (schema, methods, rules) in self.types.items():
            for rule in rules:
                if "method" in rule and rule["method"] not in methods and rule["rule"] != "secret-answer":
                    yield f"{name}: there is no method {rule['method']} ({rule['rule']})"
                for field in [rule[key] for key in ("field", "moves") if key in rule] + rule.get("paths", []):
                    if not self.has_field(schema, field):
                        yield f"{name}: there is no field {field} ({rule['rule']})"

    def has_field(self, schema, path):
        current = {"$ref": schema}
        for part in path.split("."):
            while "items" in current or "$ref" in current or "additionalProperties" in current:
                if "$ref" in current:
                    current = self.schemas[current["$ref"]]
                    if "properties" in current:
                        break
                else:
                    current = current.get("items") or current["additionalProperties"]
            if part == "*":
                continue
            if part not in current.get("properties", {}):
                return False
            current = current["properties"][part]
        return True


def flags_of(value):
    description = value.get("description", "")
    return "".join(
        letter
        for letter, holds in (
            ("o", value.get("readOnly") or OUTPUT_ONLY.search(description)),
            ("i", IMMUTABLE.search(description)),
            ("w", INPUT_ONLY.search(description)),
            ("r", REQUIRED.match(description)),
        )
        if holds
    )


def parameters_of(method):
    """Query parameters: `#` is a number, `?` a boolean, `*` may be given more than once, `!` must be given."""
    found = []
    for name, value in sorted(method.get("parameters", {}).items()):
        if value["location"] != "query" or name in COMMON_PARAMETERS or name.lower().startswith("options"):
            continue
        marks = {"integer": "#", "boolean": "?"}.get(value["type"], "")
        marks += "*" * bool(value.get("repeated")) + "!" * bool(value.get("required"))
        found.append(name + marks)
    return ",".join(found) or "-"


def asset_name(schema, service):
    """The last part of an asset type: the schema's name without the namespace that Google's generator puts before it."""
    name = re.sub(r"^Google[A-Z][A-Za-z]*?V\d+(?:(?:alpha|beta)\d*)?(?=[A-Z])", "", schema)
    return name[len(service) :] if name.lower().startswith(service) and len(name) > len(service) else name


# What a rule says, in the order in which it stands in its line.
RULE_FIELDS = {
    "one-field": (),
    "mask-top": (),
    "mask-only": ("paths",),
    "mask-prefix": ("prefix",),
    "set-by": ("field", "method", "argument", "token"),
    "unreadable": ("field",),
    "sensitive": ("field",),
    "irreversible": ("field", "when"),
    "fixed": ("field",),
    "moves": ("field", "moves"),
    "restarts": ("field",),
    "irreversible-call": ("method",),
    "secret-answer": ("method",),
    "undeletes": ("method",),
    "serial": ("scope",),
    "host": ("host",),
    "refuses-while": ("condition",),
}
# Those that change how a type is written, and need no line of their own.
SHAPING = {"update-by", "update-is", "token", "named", "asset-type"}


def rule_lines(rule):
    if rule["rule"] in SHAPING:
        return []
    values = [rule.get(field, "-") for field in RULE_FIELDS[rule["rule"]]]
    values = [",".join(value) if isinstance(value, list) else value.replace(" ", "_") or "-" for value in values]
    return [" ".join(["R", rule["rule"], *values, "|", rule["source"]])]


def read_rules():
    text = tomllib.loads(RULES.read_text("utf-8"))
    rules = []
    for rule in text["rule"]:
        if rule["rule"] not in RULE_FIELDS.keys() | SHAPING or not rule.get("source"):
            sys.exit(f"rules.toml: a rule of no known kind, or without a source: {rule}")
        # One rule may be of several types, fields and methods.
        for name in listed(rule["type"]):
            for field in listed(rule.get("field")):
                for method in listed(rule.get("method")):
                    one = {**rule, "type": name, "field": field, "method": method}
                    rules.append({key: value for key, value in one.items() if value is not None})
    return text, rules


def listed(value):
    return value if isinstance(value, list) else [value]


def deflate(data, dictionary=b""):
    # 15 bits of window and 9 of memory: the most that there is.
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, *([dictionary] if dictionary else []))
    return packer.compress(data) + packer.flush()


def dictionary_of(texts):
    """The lines that most APIs have, those that save most last, as DEFLATE reaches what is near most cheaply."""
    count = collections.Counter(line for text in texts for line in set(text.split("\n")))
    # 32 KiB is as far as DEFLATE can look back.
    chosen, size = [], 0
    for line in sorted((line for line, n in count.items() if n > 2), key=lambda line: (-count[line] * len(line), line)):
        if size + len(line) + 1 > 32_000:
            break
        chosen.append(line)
        size += len(line) + 1
    return "".join(line + "\n" for line in reversed(chosen)).encode()


def catalog(wheel):
    match = re.match(r"google_api_python_client-([\d.]+)-", pathlib.Path(wheel).name)
    if not match:
        sys.exit(f"{wheel} is not a wheel of {WHEEL}")
    text, rules = read_rules()
    apis, texts, mistakes = [], [], []
    for document in documents(wheel):
        api = Api(document, rules)
        lines = api.lines()
        if lines:
            apis.append(api)
            texts.append("\n".join(lines) + "\n")
            mistakes += api.check_rules()
    mistakes += [f"rules.toml: no type is called {rule['type']}" for rule in rules if "used" not in rule]
    if mistakes:
        sys.exit("\n".join(mistakes))
    dictionary = dictionary_of(texts)
    streams = [deflate(text.encode(), dictionary) for text in texts]
    index = []
    for service in text.get("service", []):
        index.append(f"N {service['service']} {service.get('also', '-')} {service.get('version', '-')}")
    for api, plain, packed in zip(apis, texts, streams):
        index.append(f"{api.service} {api.version} {len(plain.encode())} {len(packed)}")
    index = ("\n".join(index) + "\n").encode()
    packed_index, packed_dictionary = deflate(index), deflate(dictionary)
    lengths = (len(packed_index), len(index), len(packed_dictionary), len(dictionary))
    head = f"rectify-catalog {FORMAT} {WHEEL}-{match[1]} {' '.join(map(str, lengths))}\n".encode()
    return head + packed_index + packed_dictionary + b"".join(streams), texts, apis


def contents(data):
    """What a catalog says, whatever build of zlib wrote it."""
    head, _, rest = data.partition(b"\n")
    _, form, source, *lengths = head.decode().split(" ")
    packed_index, _, packed_dictionary, _ = map(int, lengths)
    index = zlib.decompress(rest[:packed_index], -15).decode()
    dictionary = zlib.decompress(rest[packed_index : packed_index + packed_dictionary], -15)
    place, texts = packed_index + packed_dictionary, []
    for line in index.splitlines():
        if not line.startswith("N "):
            length = int(line.split(" ")[3])
            unpacker = zlib.decompressobj(-15, dictionary)
            texts.append(unpacker.decompress(rest[place : place + length]).decode())
            place += length
    return form, source, texts


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("wheel", help="google_api_python_client-….whl")
    arguments.add_argument("--check", action="store_true", help="write nothing; fail if the file that is there says something else")
    arguments.add_argument("--text", metavar="SERVICE:VERSION", help="print the text of one API and write nothing")
    given = arguments.parse_args()
    data, texts, apis = catalog(given.wheel)
    if given.text:
        print(next(text for text, api in zip(texts, apis) if given.text == f"{api.service}:{api.version}"), end="")
        return
    if given.check:
        if contents(data) != contents(TARGET.read_bytes()):
            sys.exit(f"{TARGET} is not what this wheel and rules.toml give")
        return
    TARGET.write_bytes(data)
    types = [line.split(" ") for text in texts for line in text.split("\n") if line.startswith("T ")]
    dialects = collections.Counter(line[6].partition(":")[2].split(",")[0] or "none" for line in types)
    size = sum(len(text.encode()) for text in texts)
    print(f"{len(apis)} APIs, {len(types)} types, {size:,} bytes of text, {len(data):,} bytes written")
    print(", ".join(f"{name} {number}" for name, number in dialects.most_common()))


if __name__ == "__main__":
    main()
