package fieldcrypt_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(fipsChild) != "" {
		os.Exit(dataPath())
	}
	goleak.VerifyTestMain(m)
}
