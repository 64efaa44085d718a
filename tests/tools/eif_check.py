#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An independent reader of Enclave Image Files: recomputes the CRC and the PCRs and prints one JSON object.

It shares no code with eifgen and is written from the format alone, so that a mistake in our writer is not repeated
by the reader that checks it. Usage: eif_check.py FILE.eif [--sections DIR]   (DIR gets each section's data as N-TYPE)

    header  ".eif" version:u16 flags:u16 mem:u64 cpus:u64 reserved:u16 count:u16 offset:u64[32] size:u64[32] unused:u32 crc:u32
    section type:u16 flags:u16 size:u64 data         (back to back from byte 548 on; everything big-endian)

CRC-32 runs over the file without the four CRC bytes. PCR = SHA-384(48 zero bytes, SHA-384(data)); the data of PCR0 is
kernel, cmdline and every ramdisk, of PCR1 kernel, cmdline and the first ramdisk, of PCR2 the ramdisks after the first,
of PCR8 the first certificate of the signature section in DER. Exit: 0 sound, 1 a check failed (see "Problems"),
2 cannot be read."""
import base64, hashlib, json, os, re, struct, sys, zlib

HEADER = struct.Struct(">4sHHQQHH32Q32QII")
SECTION = struct.Struct(">HHQ")
KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA = 1, 2, 3, 4, 5
NAMES = {KERNEL: "kernel", CMDLINE: "cmdline", RAMDISK: "ramdisk", SIGNATURE: "signature", METADATA: "metadata"}


def pcr(*chunks):
    inner = hashlib.sha384()
    for chunk in chunks:
        inner.update(chunk)
    return hashlib.sha384(bytes(48) + inner.digest()).hexdigest()


def cbor(data, at, depth=0):
    """One CBOR item of the kinds a signature section holds: (value, offset behind it)."""
    if depth > 16:
        raise ValueError("CBOR nested too deep")
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        n = info
    elif info < 28:
        width = 1 << (info - 24)
        n, at = int.from_bytes(data[at:at + width], "big"), at + width
    else:
        raise ValueError("CBOR of indefinite length")
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        if at + n > len(data):
            raise ValueError("CBOR string past the end")
        value = data[at:at + n]
        return (value if major == 2 else value.decode()), at + n
    if major in (4, 5):
        items = []
        for _ in range(n * (major - 3)):
            item, at = cbor(data, at, depth + 1)
            items.append(item)
        return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at
    raise ValueError("CBOR major type %d" % major)


def first_certificate(section):
    entries, _ = cbor(section, 0)
    pem = bytes(entries[0]["signing_certificate"])
    block = re.search(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.S)
    if not block:
        raise ValueError("no certificate in the signature section")
    return base64.b64decode(b"".join(block.group(1).split()), validate=True)


def read_sections(data, fields, problems):
    count, offsets, sizes = fields[6], fields[7:39], fields[39:71]
    sections, at = [], HEADER.size
    while at < len(data):
        if at + SECTION.size > len(data):
            problems.append("%d bytes behind the last section" % (len(data) - at))
            break
        kind, flags, size = SECTION.unpack_from(data, at)
        body = at + SECTION.size
        if size > len(data) - body:
            problems.append("section %d: %d bytes announced, %d there" % (len(sections), size, len(data) - body))
            break
        i = len(sections)
        if i < 32 and (offsets[i], sizes[i]) != (at, size):
            problems.append("section %d: header table says offset %d size %d, found %d and %d"
                            % (i, offsets[i], sizes[i], at, size))
        if kind not in NAMES or flags:
            problems.append("section %d: type %d flags %d" % (i, kind, flags))
        sections.append((kind, data[body:body + size]))
        at = body + size
    if count != len(sections):
        problems.append("header counts %d sections, the file holds %d" % (count, len(sections)))
    if any(offsets[len(sections):]) or any(sizes[len(sections):]):
        problems.append("unused header slots are not zero")
    return sections


def check(path, out_dir):
    with open(path, "rb") as f:
        data = f.read()
    if len(data) < HEADER.size:
        raise ValueError("%d bytes: no header" % len(data))
    fields, problems = HEADER.unpack_from(data), []
    for name, got, want in (("magic", fields[0], b".eif"), ("version", fields[1], 4), ("flags", fields[2] & ~1, 0),
                            ("default_mem", fields[3], 1 << 30), ("default_cpus", fields[4], 2),
                            ("reserved", fields[5], 0), ("unused", fields[71], 0)):
        if got != want:
            problems.append("%s is %r" % (name, got))
    crc = zlib.crc32(data[HEADER.size:], zlib.crc32(data[:HEADER.size - 4]))
    if crc != fields[72]:
        problems.append("CRC is %08x, the header says %08x" % (crc, fields[72]))
    sections = read_sections(data, fields, problems)
    kinds = [kind for kind, _ in sections]
    if not re.fullmatch("1253+4?", "".join(map(str, kinds))):
        problems.append("sections in the order %s" % kinds)

    base = [body for kind, body in sections if kind in (KERNEL, CMDLINE)]
    ramdisks = [body for kind, body in sections if kind == RAMDISK]
    measured = [body for kind, body in sections if kind in (KERNEL, CMDLINE, RAMDISK)]
    pcrs = {"PCR0": pcr(*measured), "PCR1": pcr(*base, *ramdisks[:1]), "PCR2": pcr(*ramdisks[1:])}
    signatures = [body for kind, body in sections if kind == SIGNATURE]
    if signatures:
        pcrs["PCR8"] = pcr(*map(first_certificate, signatures))
    metadata = None
    for kind, body in sections:
        if kind == METADATA:
            metadata = json.loads(body.decode())
    if out_dir:
        os.makedirs(out_dir, exist_ok=True)
        for i, (kind, body) in enumerate(sections):
            with open(os.path.join(out_dir, "%d-%s" % (i, NAMES.get(kind, "type%d" % kind))), "wb") as f:
                f.write(body)
    return {"Version": fields[1], "Arch": "aarch64" if fields[2] & 1 else "x86_64", "Crc": "%08x" % crc,
            "CheckCRC": crc == fields[72], "Measurements": pcrs, "Metadata": metadata,
            "Sections": [{"Type": NAMES.get(kind, kind), "Size": len(body), "Sha256": hashlib.sha256(body).hexdigest()}
                         for kind, body in sections], "Problems": problems}


def main(argv):
    if len(argv) not in (2, 4) or (len(argv) == 4 and argv[2] != "--sections"):
        print("usage: eif_check.py FILE.eif [--sections DIR]", file=sys.stderr)
        return 2
    try:
        report = check(argv[1], argv[3] if len(argv) == 4 else None)
    except (OSError, ValueError, KeyError, IndexError, TypeError, struct.error) as e:
        print("eif_check.py: unable to read %s: %s" % (argv[1], e), file=sys.stderr)
        return 2
    print(json.dumps(report, indent=2))
    return 1 if report["Problems"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
