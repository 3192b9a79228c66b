// Keeps true: what is written as a line is one line, and nothing in it moves a terminal's cursor, changes its colours
// or turns its reading direction, whatever a label, a file name or an image holds. What is written without line end
// (help, JSON, a progress bar) passes as it is: those make their text safe themselves.
using System.Text;
using PCache.Core.Files;

namespace PCache.Tool.Shell;

/// <summary>Lines for people. Not thread-safe, as the writer below it.</summary>
internal sealed class SafeWriter(TextWriter inner) : TextWriter(inner.FormatProvider)
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => inner.Write(value);

    public override void Write(char[] buffer, int index, int count) => inner.Write(buffer, index, count);

    public override void Write(string? value) => inner.Write(value);

    public override void WriteLine() => inner.WriteLine();

    public override void WriteLine(string? value) => inner.WriteLine(SafeText.Of(value));

    public override void Flush() => inner.Flush();
}
