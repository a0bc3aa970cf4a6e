package forest

// What is tested by itself.
var (
	Load   = load
	SizeOf = sizeOf
)
