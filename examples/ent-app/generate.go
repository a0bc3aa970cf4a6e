package main

//go:generate go run entc.go
