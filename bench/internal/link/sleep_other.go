//go:build !linux

package link

import "time"

func sleepUntil(due time.Time) { time.Sleep(time.Until(due)) }
