"""Write ``google.json`` from the npm package @cdktf/provider-google, which is generated from the provider's schema.

    npm pack @cdktf/provider-google && tar xzf cdktf-provider-google-*.tgz
    python -m tests.terraform.extract package

Needed again when a resource is used that the file lacks, or for another version of the provider.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from tests.terraform.configuration import used_types

HERE = Path(__file__).parent
SCHEMA_FILE = HERE / "google.json"
Description = dict[str, Any]

# name: {value: …, isBlock: …, type: …, storageClassType: …}
_ENTRY = re.compile(
    r"(?P<name>\w+): \{\s+value: (?P<value>.+?),\n\s+isBlock: (?P<block>true|false),\s+"
    r'type: "(?P<type>\w+)",\s+storageClassType: "(?P<storage>\w+)"',
    re.DOTALL,
)
_READABLE = re.compile(r"this\.get(?P<kind>String|Number|Boolean|List|StringMap|NumberMap)Attribute\('(?P<name>\w+)'\)")
_READABLE_BLOCK = re.compile(r"= new \w+\(this, \"(?P<name>\w+)\", (?P<set>true|false)\)")
_TYPES = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}


def describe(module: Path) -> Description:
    """The attributes and blocks of one resource type; ``module`` is its folder in the package."""
    code = (module / "index.js").read_text(encoding="utf-8")
    types = (module / "index.d.ts").read_text(encoding="utf-8")
    body = code[code.index("synthesizeHclAttributes()") :]
    config = re.search(r"export interface (\w+Config) extends", types)
    assert config, f"{module}: no configuration"
    described = _block(body, config[1], code, types)
    own = code[code.rindex(" extends cdktf.Terraform") :]
    for found in _READABLE.finditer(own):
        kind = {"Boolean": "bool", "List": ["list", "string"]}.get(found["kind"], found["kind"].lower())
        computed = ["map", "string"] if found["kind"].endswith("Map") else kind
        described["attributes"].setdefault(found["name"], {"type": computed, "computed": True})
    for found in _READABLE_BLOCK.finditer(own):
        if found["name"] not in described["blocks"]:
            described["attributes"].setdefault(found["name"], {"type": "dynamic", "computed": True})
    return described


def _block(body: str, interface: str, code: str, types: str) -> Description:
    required = _required(interface, types)
    described: Description = {"attributes": {}, "blocks": {}}
    for found in _ENTRY.finditer(body[: body.index("remove undefined")]):
        name, storage = found["name"], found["storage"]
        if found["block"] == "false" or not re.search(r"ToHclTerraform\b", found["value"].replace("cdktf.", "")):
            described["attributes"][name] = {"type": _type(found["type"], storage)}
        elif name == "timeouts":
            continue
        else:
            inner = storage.removesuffix("List").removesuffix("Map")
            function = f"function {inner[0].lower()}{inner[1:]}ToHclTerraform("
            place = code[code.index(function) :] if function in code else ""
            nested = _block(place, inner, code, types)
            described["blocks"][name] = {"nesting": "set" if found["type"] == "set" else "list", **nested}
        part = described["attributes" if name in described["attributes"] else "blocks"][name]
        if _plain(name) in required:
            part["required"] = True
    return described


def _type(kind: str, storage: str) -> Any:
    if kind == "simple":
        return _TYPES[storage]
    element = re.match("string|number|boolean", storage)
    return [kind, _TYPES[element[0]] if element else "dynamic"]


def _required(interface: str, types: str) -> set[str]:
    found = re.search(rf"export interface {interface}\b[^{{]*\{{(.*?)\n\}}", types, re.DOTALL)
    names = re.findall(r"readonly (\w+)(\??):", found[1]) if found else []
    return {_plain(name) for name, optional in names if not optional}


def _plain(name: str) -> str:
    """A name without the difference between snake and camel case."""
    return name.replace("_", "").lower()


def main() -> None:
    """Read the package, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="the folder of the unpacked npm package")
    package = parser.parse_args().package
    version = json.loads((package / "package.json").read_text())["cdktf"]["provider"]["version"]
    schema: Description = {"version": version}
    for kind, names in used_types("google").items():
        prefix = "data-google-" if kind == "data" else ""
        folders = {name: prefix + name.removeprefix("google_").replace("_", "-") for name in names}
        schema[kind] = {name: describe(package / "lib" / folder) for name, folder in sorted(folders.items())}
    SCHEMA_FILE.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
    print(SCHEMA_FILE)


if __name__ == "__main__":
    main()
