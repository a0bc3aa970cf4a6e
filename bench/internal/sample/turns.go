package sample

import (
	"context"
	"math/rand/v2"
	"time"
)

// Turns calls part with 0 to n-1 again and again until the time is over, each as often as the others, in an order that
// changes by chance: a slow moment of the machine, and the traces of who went before, hit all alike. It goes round once
// at least.
func Turns(ctx context.Context, random *rand.Rand, n int, length time.Duration, part func(i int) error) error {
	for end := time.Now().Add(length); ; {
		for _, i := range random.Perm(n) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := part(i); err != nil {
				return err
			}
		}
		if !time.Now().Before(end) {
			return nil
		}
	}
}
