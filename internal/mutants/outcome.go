package mutants

import "strings"

// verdict is what became of a mutant.
type verdict string

// The verdicts. Survived stands out among the lines.
const (
	killed    verdict = "killed"
	survived  verdict = "SURVIVED"
	justified verdict = "justified"
	unbuilt   verdict = "BROKEN"
)

// judge reads what go test has printed and how it has ended.
func judge(out string, err error) (v verdict, detail string) {
	switch {
	case err == nil && strings.Contains(out, "no tests to run"):
		return survived, ": there is no such test"
	case err == nil:
		return survived, " passes without it"
	case strings.Contains(out, "[build failed]"), strings.Contains(out, "[setup failed]"):
		return unbuilt, ":\n" + out
	case strings.Contains(out, "--- FAIL: "), strings.Contains(out, "panic: "), strings.Contains(out, "fatal error: "):
		return killed, ""
	}
	// Neither a test nor a crash: the test binary did not get as far.
	return unbuilt, ":\n" + out
}
