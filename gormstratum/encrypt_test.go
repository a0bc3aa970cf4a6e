package gormstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEncryptedTypes(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	p := c.add(t, "ann")
	var got Patient
	require.NoError(t, c.as().First(&got, p.ID).Error)
	require.Equal(t, p, got)
	c.requireSealed(t)
	row := c.stored(t, "patients")[0]
	require.Len(t, row["email_bidx"], 16)
	require.Len(t, row["blood_bidx"], 1)

	none := Patient{Name: "none"}
	require.NoError(t, c.as().Create(&none).Error)
	require.NoError(t, c.as().First(&Patient{}, none.ID).Error)
	row = c.stored(t, "patients")[1]
	require.NotNil(t, row["notes"], "an empty text is a value")
	for _, column := range []string{"phone", "phone_bidx", "scan", "values"} {
		require.Nil(t, row[column], column)
	}
}
