//go:build unix

package pgserver_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository stands in for Maven Central: whatever archive is asked for, it serves one whose binaries hand over to
// those of this machine.
type repository struct {
	url      string
	requests atomic.Int32
}

func newRepository(t *testing.T, binDir string) *repository {
	t.Helper()
	archive := jar(t, binDir)
	sum := sha256.Sum256(archive)
	served := &repository{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.requests.Add(1)
		content := archive
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			content = []byte(hex.EncodeToString(sum[:]))
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(server.Close)
	served.url = server.URL
	return served
}

// jar is a zip of an xz of a tar.
func jar(t *testing.T, binDir string) []byte {
	t.Helper()
	var files bytes.Buffer
	writer := tar.NewWriter(&files)
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		script := "#!/bin/sh\nexec '" + binDir + "/" + name + "' \"$@\"\n"
		header := &tar.Header{Typeflag: tar.TypeReg, Name: "bin/" + name, Mode: 0o755, Size: int64(len(script))}
		require.NoError(t, writer.WriteHeader(header))
		_, err := writer.Write([]byte(script))
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())

	var archive bytes.Buffer
	zipped := zip.NewWriter(&archive)
	entry, err := zipped.Create("postgres.txz")
	require.NoError(t, err)
	_, err = entry.Write(xz(files.Bytes()))
	require.NoError(t, err)
	require.NoError(t, zipped.Close())
	return archive.Bytes()
}

// xz stores content uncompressed in the format of https://tukaani.org/xz/xz-file-format.txt, for want of a compressor:
// one block of LZMA2 with a CRC32.
func xz(content []byte) []byte {
	flags := []byte{0, 1}
	// Its own size in words, one filter: LZMA2, whose one property is a dictionary of 8 MiB.
	header := withCRC([]byte{2, 0, 0x21, 1, 0x16, 0, 0, 0})
	chunks := lzma2(content)
	check := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(content))

	// One record: the block's size without padding, and the content's.
	index := binary.AppendUvarint([]byte{0, 1}, uint64(len(header)+len(chunks)+len(check)))
	index = withCRC(padded(binary.AppendUvarint(index, uint64(len(content)))))
	footer := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	footerCRC := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(footer))

	return slices.Concat(
		[]byte{0xFD, '7', 'z', 'X', 'Z', 0}, withCRC(flags),
		header, padded(chunks), check,
		index,
		footerCRC, footer, []byte{'Y', 'Z'},
	)
}

// lzma2 writes uncompressed chunks, the first of which resets the dictionary, and the end mark.
func lzma2(content []byte) []byte {
	var chunks []byte
	control := byte(1)
	for chunk := range slices.Chunk(content, 1<<16) {
		chunks = append(chunks, control)
		chunks = binary.BigEndian.AppendUint16(chunks, uint16(len(chunk)-1))
		chunks = append(chunks, chunk...)
		control = 2
	}
	return append(chunks, 0)
}

func withCRC(part []byte) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clone(part), crc32.ChecksumIEEE(part))
}

func padded(part []byte) []byte {
	return append(part, make([]byte, (4-len(part)%4)%4)...)
}
