//go:build race

package fieldcrypt_test

// raced says that pools drop what is put into them now and then, as they do under the race detector.
const raced = true
