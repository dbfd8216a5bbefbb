# SPDX-License-Identifier: MIT
# coverage.awk - reads `gcov --branch-probabilities --branch-counts --stdout`: one line a source
# file, and exit 1 when a line or a branch of one is missed. See tests/coverage.

# How many brackets a text opens more than it closes.
function depth(text, opened, closed) {
	opened = gsub(/\(/, "", text)
	closed = gsub(/\)/, "", text)
	return opened - closed
}

function count_of_code(count) {
	return count !~ /^-:$/
}

function report(name) {
	if (name == "" || name !~ /\.c$/)
		return
	printf "%-32s %4d lines, %3d not covered; %4d branches, %3d not covered\n", name, lines, missed_lines,
		branches, missed_branches
	if (show)
		printf "%s", details
	if (missed_lines || missed_branches)
		status = 1
}

$0 ~ /^ *-: *0:Source:/ {
	report(file)
	file = $0
	sub(/.*Source:/, "", file)
	sub(/.*\/(coordinator|worker)\//, "&", file)
	lines = missed_lines = branches = missed_branches = open = 0
	details = ""
	next
}

# COUNT: NUMBER:TEXT
/^ *[-#=0-9*]+: *[0-9]+:/ {
	text = $0
	match(text, /^ *[-#=0-9*]+: *[0-9]+:/)
	text = substr(text, RLENGTH + 1)
	count = $1
	if (open <= 0) {
		is_left_out = text ~ /(^|[^a-z_])assert\(/ || text ~ /HASH_[A-Z_]+\(/
		is_switch = text ~ /^ *switch \(/
		open = 0
		# A case that is nothing but an assert.
		if (text ~ /assert\(!"/)
			case_line = ""
	}
	if (case_line != "" && count_of_code($1)) {
		missed_lines++
		details = details case_line
		case_line = ""
	}
	if (is_left_out)
		open += depth(text)
	shown = 0
	line = text
	sub(/^ +/, "", line)
	number = $0
	sub(/^[^:]*: */, "", number)
	sub(/:.*/, "", number)
	if (count !~ /^-:$/ && !is_left_out) {
		lines++
		if (count ~ /^#/ && line ~ /^(case .*|default):$/) {
			case_line = sprintf("  %5d %s\n", number, line)
		} else if (count ~ /^#/) {
			missed_lines++
			details = details sprintf("  %5d %s\n", number, line)
		}
	}
	is_reached = count ~ /^[0-9]/
	next
}

/^branch/ && is_reached && !is_left_out && !is_switch {
	branches++
	if ($4 == "0" || $3 == "never") {
		missed_branches++
		if (!shown++)
			details = details sprintf("  %5d branch %s: %s\n", number, $2, line)
		else
			details = details sprintf("  %5d branch %s\n", number, $2)
	}
}

END {
	report(file)
	exit status
}
