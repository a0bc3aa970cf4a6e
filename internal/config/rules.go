package config

// beats reports whether of two entries for the same key a holds and not b. It is the whole rule of inheritance: the
// lock nearest to the root wins, and where nobody has locked the key, the entry nearest to the tenant.
func beats(a, b *Entry) bool {
	if a.Locked != b.Locked {
		return a.Locked
	}
	if a.Locked {
		return a.Depth < b.Depth
	}
	return a.Depth > b.Depth
}
