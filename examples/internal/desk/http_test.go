package desk_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/examples/internal/desk"
)

func TestEndpoint_unknownErrorsStayInside(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		http.StatusInternalServerError: errors.New("password of the database is secret"),
		http.StatusServiceUnavailable:  context.Canceled,
	} {
		w := httptest.NewRecorder()
		desk.Endpoint(func(*http.Request) (int, any, error) { return http.StatusOK, nil, err }).
			ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
		require.Equal(t, want, w.Code)
		require.NotContains(t, w.Body.String(), "secret")
	}
}
