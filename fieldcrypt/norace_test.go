//go:build !race

package fieldcrypt_test

const raced = false
