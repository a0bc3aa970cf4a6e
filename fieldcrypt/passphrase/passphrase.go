package passphrase

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// header is the first line of a protected file, with the parameters and the salt.
const header = "stratum-keyfile-1 argon2id t=%d m=%d p=%d %s\n"

const (
	saltSize      = 16
	minPassphrase = 12
)

// Lock returns a keyfile so that only the passphrase opens it: one line of parameters, and one of base64. It returns
// ErrWeak for a passphrase that is too short, and fieldcrypt.ErrKEK for what is no keyfile.
func Lock(keyfile []byte, passphrase string, p Parameters) ([]byte, error) {
	p = p.withDefaults()
	if utf8.RuneCountInString(passphrase) < minPassphrase || !p.valid() {
		return nil, ErrWeak
	}
	if _, err := fieldcrypt.ParseKeyfile(keyfile); err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // it never fails
	line := fmt.Sprintf(header, p.Passes, p.MemoryKiB, p.Threads, base64.RawURLEncoding.EncodeToString(salt))
	gcm, err := p.aead(passphrase, salt)
	if err != nil {
		return nil, err
	}
	sealed := gcm.Seal(nil, nil, keyfile, []byte(line)) //nolint:gosec // the AEAD makes the nonce
	return []byte(line + base64.RawURLEncoding.EncodeToString(sealed) + "\n"), nil
}

// Unlock returns the keyfile that Lock was given. It returns ErrFormat for what Lock has not made, and ErrPassphrase
// for another passphrase or a changed file.
func Unlock(locked []byte, passphrase string) ([]byte, error) {
	line, rest, ok := strings.Cut(string(locked), "\n")
	if !ok {
		return nil, ErrFormat
	}
	line += "\n"
	var p Parameters
	var text string
	if _, err := fmt.Sscanf(line, header, &p.Passes, &p.MemoryKiB, &p.Threads, &text); err != nil || !p.valid() {
		return nil, ErrFormat
	}
	salt, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(salt) != saltSize {
		return nil, ErrFormat
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimSpace(rest))
	if err != nil {
		return nil, ErrFormat
	}
	gcm, err := p.aead(passphrase, salt)
	if err != nil {
		return nil, err
	}
	keyfile, err := gcm.Open(nil, nil, sealed, []byte(line))
	if err != nil {
		return nil, ErrPassphrase
	}
	return keyfile, nil
}

// ReadKeyfile returns the KEK of a protected file. Its errors are those of Unlock and of fieldcrypt.ParseKeyfile.
func ReadKeyfile(path, passphrase string) (fieldcrypt.KEK, error) {
	locked, err := os.ReadFile(path) //nolint:gosec // the caller's file
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	keyfile, err := Unlock(locked, passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(keyfile)
	return fieldcrypt.ParseKeyfile(keyfile)
}

// aead is what the file is sealed with.
func (p Parameters) aead(passphrase string, salt []byte) (cipher.AEAD, error) {
	key := argon2.IDKey([]byte(passphrase), salt, p.Passes, p.MemoryKiB, p.Threads, fieldcrypt.KeySize)
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
