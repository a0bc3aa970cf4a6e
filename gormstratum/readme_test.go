package gormstratum_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README shows nothing that is not compiled and run: each of its Go snippets is a passage of the Examples.
func TestReadmeSnippetsAreExamples(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var examples strings.Builder
	for _, file := range []string{
		"example_test.go", "example_fleet_test.go", "example_encrypt_test.go",
		"../entstratum/example_test.go", "../entstratum/codegen/example_test.go", "../core/example_config_test.go",
	} {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		examples.WriteString(withoutSpace(string(source)))
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.Greater(t, len(snippets), 5)
	for _, snippet := range snippets {
		require.Contains(t, examples.String(), withoutSpace(snippet[1]))
	}
}

// withoutSpace leaves out indentation, alignment and empty lines.
func withoutSpace(code string) string { return strings.Join(strings.Fields(code), " ") }
