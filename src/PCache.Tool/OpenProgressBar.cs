using PCache.Core;

namespace PCache.Tool;

/// <summary>Shows how far an open has come; on a terminal only.</summary>
internal sealed class OpenProgressBar(ToolContext context) : IProgress<OpenProgress>, IDisposable
{
    private readonly ProgressBar _loading = new(context, "opening the cache", total => $"{total} segments");
    private readonly ProgressBar _replaying = new(context, "reading the log");

    public void Report(OpenProgress value)
    {
        if (value.Stage == OpenStage.Loading)
        {
            _loading.Report(value.Segments, value.TotalSegments);
        }
        else if (value.Stage == OpenStage.Replaying)
        {
            _loading.Dispose();
            _replaying.Report(value.LogBytes, value.TotalLogBytes ?? Math.Max(1, value.LogBytes * 2));
        }
        else
        {
            Dispose();
        }
    }

    public void Dispose()
    {
        _loading.Dispose();
        _replaying.Dispose();
    }
}
