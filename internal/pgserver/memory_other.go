//go:build !linux

package pgserver

// memoryDir is none: only Linux has one that is always there.
func memoryDir() string { return "" }
