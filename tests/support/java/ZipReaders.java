import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Enumeration;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

/** Java's two readers: `ZipReaders file|stream PATH` prints size, CRC-32 and name of each entry, as its bytes are. */
public final class ZipReaders {
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    private static final byte[] BUFFER = new byte[1 << 16];

    public static void main(String[] arguments) throws IOException {
        if (arguments[0].equals("file")) {
            readFile(arguments[1]);
        } else {
            readStream(arguments[1]);
        }
        OUT.flush();
    }

    /** By the central directory; an entry's CRC is verified as it is read. */
    private static void readFile(String path) throws IOException {
        try (ZipFile zip = new ZipFile(path)) {
            Enumeration<? extends ZipEntry> entries = zip.entries();
            while (entries.hasMoreElements()) {
                ZipEntry entry = entries.nextElement();
                try (InputStream bytes = zip.getInputStream(entry)) {
                    print(entry, bytes);
                }
            }
        }
    }

    /** By the local headers, front to back, as a client does that unpacks while it downloads. */
    private static void readStream(String path) throws IOException {
        try (ZipInputStream zip = new ZipInputStream(new BufferedInputStream(new FileInputStream(path), 1 << 16))) {
            ZipEntry entry;
            while ((entry = zip.getNextEntry()) != null) {
                print(entry, zip);
            }
        }
    }

    private static void print(ZipEntry entry, InputStream bytes) throws IOException {
        CRC32 crc = new CRC32();
        long size = 0;
        int count;
        while ((count = bytes.read(BUFFER)) > 0) {
            crc.update(BUFFER, 0, count);
            size += count;
        }
        if (entry.getCrc() != -1 && entry.getCrc() != crc.getValue()) {
            throw new IOException("bad CRC: " + entry.getName());
        }
        OUT.printf("%d\t%08x\t%s\n", size, crc.getValue(), entry.getName());
    }
}
