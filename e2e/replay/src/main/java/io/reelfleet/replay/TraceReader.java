package io.reelfleet.replay;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * Reads {@code session,burst,start_s,end_s}: the bursts of a session on consecutive lines, numbered
 * from 0, sessions in the order in which they open. One session is in memory at a time; lines,
 * bursts and sessions are bounded, since a trace comes from somebody else.
 */
public final class TraceReader {
    /** The first line of every trace. */
    public static final String HEADER = "session,burst,start_s,end_s";

    static final int LINE_LIMIT = 512;
    static final int BURSTS_PER_SESSION_LIMIT = 100_000;
    static final int SESSIONS_LIMIT = 2_000_000;

    /** Ten years; what is larger is a mistake in the unit. */
    static final double SECONDS_LIMIT = 10 * 365.25 * 86_400;

    private static final Pattern SESSION_NAME = Pattern.compile("[A-Za-z0-9._:-]{1,128}");
    private static final Pattern NUMBER = Pattern.compile("[0-9]{1,12}(\\.[0-9]{1,9})?");

    private final BufferedReader in;
    private final String name;
    private final Consumer<TraceSession> sink;

    private int line;
    private boolean lineEnded;
    private String session;
    private final List<Burst> bursts = new ArrayList<>();
    private final Set<String> seen = new HashSet<>();
    private double lastOpened;

    private TraceReader(Reader in, String name, Consumer<TraceSession> sink) {
        this.in = new BufferedReader(in);
        this.name = name;
        this.sink = sink;
    }

    /** Reads a whole file. */
    public static Trace read(Path file) throws TraceException {
        List<TraceSession> sessions = new ArrayList<>();
        if (Files.isDirectory(file)) {
            throw new TraceException(file + " is a folder; --trace takes a CSV file");
        }
        try (Reader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            read(in, file.toString(), sessions::add);
        } catch (NoSuchFileException e) {
            throw new TraceException(file + " does not exist");
        } catch (CharacterCodingException e) {
            throw new TraceException(file + " is not a text file in UTF-8");
        } catch (IOException e) {
            throw new TraceException(file + " cannot be read: " + e.getMessage());
        }
        return new Trace(sessions);
    }

    /**
     * Hands each session over as soon as its last line is read.
     *
     * @param name of the source, for the sentences of errors
     */
    public static void read(Reader in, String name, Consumer<TraceSession> sink)
            throws IOException, TraceException {
        new TraceReader(in, name, sink).run();
    }

    private void run() throws IOException, TraceException {
        String header = nextLine();
        if (header == null) {
            throw new TraceException(name + " is empty; its first line must be \"" + HEADER + "\"");
        }
        if (header.startsWith("\uFEFF")) {
            header = header.substring(1);
        }
        if (!header.equals(HEADER)) {
            throw new TraceException(name + " line 1: write \"" + HEADER + "\" there");
        }
        String text;
        while ((text = nextLine()) != null) {
            if (!lineEnded) {
                throw at("the last line has no line end: the file is truncated (or add one)");
            }
            row(text);
        }
        if (session == null) {
            throw new TraceException(
                    name + " holds no session: write at least one line after the header");
        }
        finishSession();
    }

    private void row(String text) throws TraceException {
        String[] fields = text.split(",", -1);
        if (fields.length != 4) {
            throw at("write four fields (" + HEADER + "), not " + fields.length);
        }
        String id = fields[0];
        if (!SESSION_NAME.matcher(id).matches()) {
            throw at("session: write 1 to 128 letters, digits or . _ : -");
        }
        if (!id.equals(session)) {
            finishSession();
            if (!seen.add(id)) {
                throw at(
                        "session: the lines of "
                                + id
                                + " are not together; sort the file by session");
            }
            if (seen.size() > SESSIONS_LIMIT) {
                throw at("session: more than " + SESSIONS_LIMIT + " sessions in one trace");
            }
            session = id;
        }
        if (!fields[1].equals(Integer.toString(bursts.size()))) {
            throw at("burst: write " + bursts.size() + ", the next number of session " + id);
        }
        if (bursts.size() >= BURSTS_PER_SESSION_LIMIT) {
            throw at("burst: more than " + BURSTS_PER_SESSION_LIMIT + " bursts in session " + id);
        }
        double start = seconds("start_s", fields[2]);
        double end = seconds("end_s", fields[3]);
        if (end <= start) {
            throw at("end_s: " + fields[3] + " is not after start_s " + fields[2]);
        }
        if (bursts.isEmpty()) {
            if (start < lastOpened) {
                throw at(
                        "start_s: session "
                                + id
                                + " opens before the one above it; sort sessions by their first start");
            }
            lastOpened = start;
        } else if (start < bursts.getLast().end()) {
            throw at(
                    "start_s: "
                            + fields[2]
                            + " overlaps the burst before it, which ends at "
                            + bursts.getLast().end());
        }
        bursts.add(new Burst(start, end));
    }

    private void finishSession() {
        if (session != null) {
            sink.accept(new TraceSession(session, bursts));
            bursts.clear();
        }
    }

    private double seconds(String field, String text) throws TraceException {
        if (!NUMBER.matcher(text).matches()) {
            throw at(field + ": write seconds as a decimal number, not \"" + text + "\"");
        }
        double value = Double.parseDouble(text);
        if (value > SECONDS_LIMIT) {
            throw at(field + ": " + text + " s is more than ten years");
        }
        return value;
    }

    private TraceException at(String sentence) {
        return new TraceException(name + " line " + line + ": " + sentence);
    }

    /** Like readLine, but bounded, and it remembers whether the line had its end. */
    private String nextLine() throws IOException, TraceException {
        StringBuilder text = new StringBuilder();
        int c;
        lineEnded = false;
        while ((c = in.read()) >= 0) {
            if (c == '\n') {
                lineEnded = true;
                break;
            }
            text.append((char) c);
            if (text.length() > LINE_LIMIT) {
                line++;
                throw at("the line is longer than " + LINE_LIMIT + " characters");
            }
        }
        if (c < 0 && text.isEmpty()) {
            return null;
        }
        line++;
        if (!text.isEmpty() && text.charAt(text.length() - 1) == '\r') {
            text.setLength(text.length() - 1);
        }
        return text.toString();
    }
}
