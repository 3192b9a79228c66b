using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using PCache.Core;
using PCache.DependencyInjection;

namespace Observability;

/// <summary>
/// A cache in front of a slow backing that fails for a while, and all that it tells of itself meanwhile: log messages, changes of state, activities, metrics. See docs/observability.md.
/// </summary>
public static class Sample
{
    private const int PageBytes = 4096;

    /// <summary>Runs the sample in a folder of its own, which is gone afterwards.</summary>
    /// <param name="output">Where everything is printed.</param>
    /// <returns>Exit code: 0.</returns>
    public static async Task<int> RunAsync(TextWriter output)
    {
        using TextWriter printer = TextWriter.Synchronized(output);
        string folder = Directory.CreateTempSubdirectory("pcache-sample-").FullName;
        try
        {
            await RunInAsync(folder, printer);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task RunInAsync(string folder, TextWriter printer)
    {
        var backing = new FlakyBlockDevice(BlockDevice.FromMemory(16 << 20, canResize: false), TimeSpan.FromMilliseconds(1));

        // What an application does to collect, with exporters of the sample's own.
        using var metrics = new MetricsTable();
        using MeterProvider meters = Sdk.CreateMeterProviderBuilder().AddMeter(PCacheDiagnostics.MeterName).AddReader(new BaseExportingMetricReader(metrics)).Build();
        using TracerProvider tracer = Sdk.CreateTracerProviderBuilder()
            .AddSource(PCacheDiagnostics.ActivitySourceName)
            .AddProcessor(new SimpleActivityExportProcessor(new ActivityPrinter(printer)))
            .Build();

        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.AddProvider(new LogPrinter(printer)).SetMinimumLevel(LogLevel.Information);
        builder.Services.AddPCache(settings =>
        {
            settings.CachePath = Path.Combine(folder, "cache.img");
            settings.CacheLengthBytes = (20 << 10) + (32 * (64 << 10));
            settings.SegmentSizeBytes = 64 << 10;
            settings.BackingFactory = _ => backing;
            settings.WritebackDelay = TimeSpan.Zero;
            settings.Label = "sample";
        });
        using IHost host = builder.Build();
        await host.StartAsync();
        PCacheDevice device = host.Services.GetRequiredService<PCacheDevice>();
        PCacheState told = device.State;
        device.StateChanged += (_, change) =>
        {
            printer.WriteLine($"state  {change.Current}");
            Volatile.Write(ref told, change.Current);
        };

        printer.WriteLine("== writes and reads");
        Write(device, firstPage: 0, pages: 100);
        Read(device, firstPage: 0, pages: 50);
        Read(device, firstPage: 1000, pages: 10); // never written: from the backing
        await device.DrainAsync();

        printer.WriteLine("== the backing fails");
        backing.Fails = true;
        Write(device, firstPage: 100, pages: 100);
        await Until(() => Volatile.Read(ref told).Stall == WritebackStall.BackingFailing);

        printer.WriteLine("== the backing has recovered");
        backing.Fails = false;
        await device.DrainAsync();
        await Until(() => Volatile.Read(ref told).Condition == PCacheCondition.Clean);

        // Before the close: a device that is closed is no longer told of.
        meters.ForceFlush();
        printer.WriteLine("== metrics");
        metrics.Print(printer, device.GetStatus().CacheId);

        printer.WriteLine("== the end");
        await host.StopAsync();
    }

    private static async Task Until(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(10);
        }
    }

    private static void Write(PCacheDevice device, int firstPage, int pages)
    {
        var page = new byte[PageBytes];
        for (int i = firstPage; i < firstPage + pages; i++)
        {
            page.AsSpan().Fill((byte)i);
            device.Write((long)i * PageBytes, page);
        }

        device.Flush();
    }

    private static void Read(PCacheDevice device, int firstPage, int pages)
    {
        var page = new byte[PageBytes];
        for (int i = firstPage; i < firstPage + pages; i++)
        {
            device.Read((long)i * PageBytes, page);
        }
    }
}
