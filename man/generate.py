#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Man pages (as scdoc) and shell completions from what `eifgen --help` and `eifgen COMMAND --help` say.

Usage: generate.py PROGRAM SOURCE-DIR OUT-DIR
Writes OUT-DIR/eifgen.1.scd, OUT-DIR/eifgen-COMMAND.1.scd for every command, OUT-DIR/eifgen.bash and OUT-DIR/_eifgen.
SOURCE-DIR/eifgen.1.scd is copied with the list of commands at `@COMMANDS@`; SOURCE-DIR/COMMAND.scd, if there is one, holds
further sections of that command's page, in scdoc. So an option is described in one place, and a page cannot lack one.

The form that a command's help has: `Usage: …` lines; a paragraph; groups of options (`Title:` alone on a line, options
indented, their text behind two blanks or on more deeply indented lines); further paragraphs."""
import os, re, subprocess, sys


def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True, encoding="utf-8",
                          env={"PATH": os.environ["PATH"]}).stdout


def escape(text):
    return re.sub(r"([\\*_`~#<>|+\[\]])", r"\\\1", text)


def prose(text):
    """`code` in backticks becomes bold; the rest is plain."""
    parts = re.split(r"`([^`]*)`", text)
    return "".join("*%s*" % escape(p) if i % 2 else escape(p) for i, p in enumerate(parts))


class Help:
    """A command's help, taken apart."""

    def __init__(self, text):
        self.usage, self.intro, self.groups, self.closing = [], [], [], []
        self.subs = []  # (name, Help) of commands below this one
        lines = text.rstrip("\n").split("\n")
        while lines and (lines[0].startswith("Usage: ") or lines[0].startswith("       ")):
            self.usage.append(lines.pop(0)[7:])
        paragraph = self.intro
        for line in lines:
            title = re.fullmatch(r"([A-Z][^:]{0,40}):", line)
            option = re.fullmatch(r" {1,8}(-.*?)(?:  +(\S.*))?", line)
            if title:
                self.groups.append((title.group(1), []))
            elif option:
                if not self.groups:
                    self.groups.append((None, []))
                self.groups[-1][1].append([option.group(1), [option.group(2)] if option.group(2) else []])
                paragraph = self.closing
            elif line.startswith("          ") and self.groups and self.groups[-1][1]:
                self.groups[-1][1][-1][1].append(line.strip())
            else:
                paragraph.append(line)

    def options(self):
        """(all spellings, text) of each option line."""
        own = [(re.findall(r"(?<![\w-])(--[a-z0-9][\w-]*|-[a-zA-Z](?![\w-]))", head), " ".join(text))
               for _, rows in self.groups for head, text in rows]
        return own + [o for _, sub in self.subs for o in sub.options()]


def load(program, name):
    """The help of a command and of those below it that explain themselves (`eifgen cage build --help`)."""
    text = run(program, name, "--help")
    loaded = Help(text)
    for sub in dict.fromkeys(m.group(1) for u in loaded.usage for m in [re.match(r"eifgen \S+ ([a-z]+)\b", u)] if m):
        p = subprocess.run([program, name, sub, "--help"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if p.returncode == 0 and p.stdout != text:
            loaded.subs.append((sub, Help(p.stdout)))
    return loaded


def commands(program):
    """(name, summary) in the order of `eifgen --help`."""
    body = run(program, "--help").split("\n\n")[1]
    return [tuple(line.strip().split(None, 1)) for line in body.split("\n")]


def paragraphs(lines):
    """Text; an indented line `word  what it is` becomes an entry of a list."""
    out = []
    for line in "\n".join(lines).strip("\n").split("\n"):
        entry = re.fullmatch(r" +(\S.*?)  +(\S.*)", line)
        if entry:
            out += ["", "*%s*" % escape(entry.group(1)), "\t" + prose(entry.group(2)), ""]
        else:
            out.append(prose(line.strip()))
    return "\n".join(out)


def synopsis(usage):
    words = [u.split(" ", 2) + [""] for u in usage]
    return "++\n".join("*%s* %s" % (escape(" ".join(w[:2])), escape(w[2])) for w in words)


def options(text, depth):
    out = []
    for title, rows in text.groups:
        if title:
            out += ["#" * min(depth, 2) + " " + escape(title), ""]
        for head, words in rows:
            out += ["*%s*" % escape(head)] + (["\t" + prose(" ".join(words))] if words else []) + [""]
    return out


def page(name, summary, text, more, version):
    out = ["eifgen-%s(1) \"eifgen %s\" \"eifgen manual\"" % (name, version), "", "# NAME", "",
           "eifgen-%s - %s" % (name, prose(summary)), "", "# SYNOPSIS", "", synopsis(text.usage),
           "", "# DESCRIPTION", "", paragraphs(text.intro), ""]
    if text.closing:
        out += [paragraphs(text.closing), ""]
    if text.groups:
        out += ["# OPTIONS", ""] + options(text, 2)
    for sub, below in text.subs:
        out += ["# " + escape(("%s %s" % (name, sub)).upper()), "", synopsis(below.usage), "", paragraphs(below.intro), ""]
        out += ([paragraphs(below.closing), ""] if below.closing else []) + options(below, 2)
    if more:
        out += [more.rstrip("\n"), ""]
    out += ["# EXIT STATUS", "", "0 done, or the answer is yes; 1 the answer is no; 2 trouble: misuse, bad input, a system that refuses.",
            "", "# SEE ALSO", "", "*eifgen*(1), *eifgen-layout*(5), *eifgen-record*(5)", ""]
    return "\n".join(out)


def bash_completion(helps):
    rows = "\n".join("\t%s) words='%s' ;;" % (name, " ".join(o for spellings, _ in text.options() for o in spellings))
                     for name, _, text in helps)
    return """# bash completion for eifgen, generated from its --help
_eifgen() {
	local cur=${COMP_WORDS[COMP_CWORD]} command= words= i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac
	done
	case $command in
	'') words='%s -q --quiet -v --verbose -h --help --version' ;;
%s
	esac
	if [[ -z $command || $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	else
		COMPREPLY=()
		compopt -o default 2>/dev/null
	fi
}
complete -F _eifgen eifgen
""" % (" ".join(name for name, _, _ in helps), rows)



def zsh_completion(helps):
    listed = "\n".join("\t\t'%s:%s'" % (name, summary.replace("'", "'\\''")) for name, summary, _ in helps)
    rows = []
    for name, _, text in helps:
        options = ["%s[%s]" % (o, re.sub(r"([\[\]:\\])", r"\\\1", words).replace("'", "'\\''"))
                   for spellings, words in text.options() for o in spellings]
        rows.append("\t%s) _arguments -s %s '*:file:_files' ;;" % (name, " ".join("'%s'" % o for o in options)))
    return """#compdef eifgen
# zsh completion for eifgen, generated from its --help
_eifgen() {
	local -a commands=(
%s
	)
	if ((CURRENT == 2)); then
		_describe command commands
		return
	fi
	local command=${words[2]}
	shift words
	((CURRENT--))
	case $command in
%s
	esac
}
_eifgen "$@"
""" % (listed, "\n".join(rows))


def main():
    program, source, out = sys.argv[1:4]
    version = run(program, "--version").split()[1]
    helps = [(name, summary, load(program, name)) for name, summary in commands(program)]

    def write(name, text):
        with open(os.path.join(out, name), "w", encoding="utf-8") as f:
            f.write(text)

    os.makedirs(out, exist_ok=True)
    for name, summary, text in helps:
        more = os.path.join(source, name + ".scd")
        more = open(more, encoding="utf-8").read() if os.path.exists(more) else ""
        write("eifgen-%s.1.scd" % name, page(name, summary, text, more, version))
    with open(os.path.join(source, "eifgen.1.scd"), encoding="utf-8") as f:
        overview = f.read().replace("@VERSION@", version)
    table = "\n".join("*eifgen-%s*(1)\n\t%s\n" % (name, prose(summary)) for name, summary, _ in helps)
    write("eifgen.1.scd", overview.replace("@COMMANDS@", table))
    write("eifgen.bash", bash_completion(helps))
    write("_eifgen", zsh_completion(helps))


if __name__ == "__main__":
    main()
