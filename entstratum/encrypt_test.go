package entstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/patient"
)

// What was written comes back, of every type, and nothing of it is stored or logged.
func TestEncryptedFields(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ann := c.add(t, "ann")
	found, err := c.client.Patient.Query().Where(patient.Email(" ANN@" + secret)).Only(c.ctx)
	require.NoError(t, err)
	require.Equal(t, ann.ID, found.ID)
	require.Equal(t, ann.Email, found.Email)
	require.Equal(t, ann.Phone, found.Phone)
	require.Equal(t, ann.Blood, found.Blood)
	require.Equal(t, ann.Notes, found.Notes)
	require.Equal(t, ann.Card, found.Card)
	require.Equal(t, ann.Ssn, found.Ssn)
	require.Equal(t, ann.Scan, found.Scan)
	require.True(t, ann.Born.Equal(found.Born))
	require.True(t, ann.Seen.Equal(found.Seen))
	require.InDelta(t, ann.Weight, found.Weight, 0)
	require.Equal(t, ann.Visits, found.Visits)
	require.Equal(t, ann.Insured, found.Insured)
	require.Equal(t, ann.State, found.State)
	require.Equal(t, ann.Token, found.Token)
	require.Equal(t, ann.Home, found.Home)
	require.Equal(t, ann.Readings, found.Readings)
	require.Equal(t, ann.Allergies, found.Allergies)
	c.requireSealed(t)
}
