package fieldcrypt

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Normalizer names what is done to a text before its blind index is computed, so that it is found however it was
// written. The value itself is sealed as it is.
type Normalizer string

// The normalizers. What they do never changes: an index that was computed once must be found for ever. NFKC and
// Casefold are those of the Unicode version of golang.org/x/text, in which what has been assigned is stable.
const (
	// NFKC is Unicode's compatibility form: "ﬁ" is "fi", and full-width letters are plain ones.
	NFKC Normalizer = "nfkc"
	// Casefold is Unicode's full case folding: "STRASSE" and "straße" are the same.
	Casefold Normalizer = "casefold"
	// Trim leaves out white space in front and behind, and makes one space of several in between.
	Trim Normalizer = "trim"
	// Digits leaves out all that is not an ASCII digit.
	Digits Normalizer = "digits"
	// E164 is for telephone numbers in the international form: "+49 (30) 1234-5" and "0049 30 12345" are "+493012345".
	// A number without "+" or "00" in front stays a national one, of digits alone: where it is from cannot be known.
	E164 Normalizer = "e164"
	// Last4 keeps the last four characters.
	Last4 Normalizer = "last4"
	// FirstChar keeps the first character.
	FirstChar Normalizer = "first-char"
)

func normalizers() []Normalizer {
	return []Normalizer{NFKC, Casefold, Trim, Digits, E164, Last4, FirstChar}
}

func (n Normalizer) known() bool { return slices.Contains(normalizers(), n) }

func normalizerNames() string {
	var b strings.Builder
	for i, n := range normalizers() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(n))
	}
	return b.String()
}

// ParseNormalizers reads names with ";" between them, as tags have them: "casefold;trim". It returns ErrColumn for an
// unknown one.
func ParseNormalizers(text string) ([]Normalizer, error) {
	var all []Normalizer
	for name := range strings.SplitSeq(text, ";") {
		n := Normalizer(strings.TrimSpace(name))
		if n == "" {
			continue
		}
		if !n.known() {
			return nil, fmt.Errorf("%w: no normalizer is named %q (there are %s)",
				ErrColumn, string(n), normalizerNames())
		}
		all = append(all, n)
	}
	return all, nil
}

func (n Normalizer) apply(text string) string {
	switch n {
	case NFKC:
		return norm.NFKC.String(text)
	case Casefold:
		return casefold(text)
	case Trim:
		return strings.Join(strings.FieldsFunc(text, unicode.IsSpace), " ")
	case Digits:
		return digits(text)
	case E164:
		return e164(text)
	case Last4:
		return lastRunes(text, 4)
	case FirstChar:
		_, size := utf8.DecodeRuneInString(text)
		return text[:size]
	default:
		return text
	}
}

// casefold folds as Unicode's CaseFolding.txt does. There Cherokee is folded to its capital letters, which
// golang.org/x/text does with the small ones alone: it makes small letters of the capital ones.
func casefold(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0xAB70 && r <= 0xABBF:
			return r - 0xAB70 + 0x13A0
		case r >= 0x13F8 && r <= 0x13FD:
			return r - 8
		}
		return r
	}, cases.Fold().String(text))
}

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

func e164(text string) string {
	text = strings.TrimSpace(text)
	number := digits(text)
	if international, ok := strings.CutPrefix(number, "00"); ok {
		return "+" + international
	}
	if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "(+") {
		return "+" + number
	}
	return number
}

// lastRunes returns the last n characters of a text, or all where it has fewer.
func lastRunes(text string, n int) string {
	at := len(text)
	for range n {
		_, size := utf8.DecodeLastRuneInString(text[:at])
		at -= size
	}
	return text[at:]
}
