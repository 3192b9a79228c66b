using System.Buffers.Binary;

namespace PCache.Lab.Hostile;

/// <summary>
/// The small images that mutants are made of. Keeps true: between them they have every structure of the format in every
/// state that it can be in.
/// </summary>
internal static class BaseImages
{
    private const long Small = 192 << 10;

    /// <summary>Makes all of them; the same ones each time.</summary>
    public static List<HostileBase> Make() =>
    [
        Make("dirty", new BaseBuilder(6, payloadCrc: true, Small, 1000), b =>
        {
            b.Write(20);
            b.Read(8);
            b.Write(12);
        }),
        Make("no checksums", new BaseBuilder(5, payloadCrc: false, Small, 2000), b =>
        {
            b.Write(20);
            b.Read(5);
        }),
        Make("written back", new BaseBuilder(6, payloadCrc: true, Small, 3000), b =>
        {
            b.Write(16);
            b.Device.Drain();
            b.Write(10);
            b.Read(6);
        }),
        Make("linked", new BaseBuilder(8, payloadCrc: true, Small, 4000), b =>
        {
            b.Write(10);
            b.Link();
            b.Write(10);
            b.Device.Drain();
            b.Link();
            b.Write(10);
            b.Link();
            b.Write(4);
        }),
        Make("collected", new BaseBuilder(6, payloadCrc: true, Small, 5000), b =>
        {
            b.Device.SetGcThreshold(0);
            b.Write(16);
            b.Rest(10);
            b.Write(12);
            b.Rest(10);
            b.Write(6);
            b.Link();
            b.Write(6);
            b.Rest(10);
            b.Write(6);
        }),
        Make("zeros", new BaseBuilder(6, payloadCrc: true, Small, 6000, canResize: true), b =>
        {
            b.Write(10);
            b.Device.WriteZeroes(3000, 40000);
            b.Device.Discard(50000, 20000);
            b.Device.WriteZeroes(0, 9000);
            b.Write(5);
            b.Device.Discard(1000, 2000);
            b.Device.Flush();
        }),
        Make("odd end", new BaseBuilder(4, payloadCrc: true, Small + 100, uint.MaxValue - 12), b =>
        {
            b.WriteAt(Small - 2560);
            b.Device.Write(Small + 50, new byte[50]);
            b.Write(14, mostBytes: 700);
        }),
        Make("wide", new BaseBuilder(6, payloadCrc: true, 1L << 50, 7000), b =>
        {
            b.WriteAt(0, 4 << 20, (4 << 20) - 3072, 1L << 31, 1L << 32, (1L << 40) + 512, (1L << 50) - 4096);
            b.WriteAt(1024, (4 << 20) + 512, 1L << 31);
        }),
        Make("identity", new BaseBuilder(4, payloadCrc: true, Small, 8000,
            identity: new Guid("7d444840-9dc0-11d1-b245-5ffdce74fad2")), b => b.Write(8)),
        Make("empty", new BaseBuilder(4, payloadCrc: true, Small, 9000), _ => { }),
        Make("drained", new BaseBuilder(5, payloadCrc: true, Small, 10000), b =>
        {
            b.Device.SetGcThreshold(0);
            b.Write(12);
            b.Device.Drain();
            b.Rest(10);
        }),
        Make("as Linux", new BaseBuilder(7, payloadCrc: true, Small, 11000), FillLinked, WithoutOurs),
        Make("as Linux, no checksums", new BaseBuilder(7, payloadCrc: false, Small, 12000), FillLinked, WithoutOurs),
        Make("dead keys", new BaseBuilder(8, payloadCrc: true, Small, 13000), FillDead, (image, model) =>
            RaiseGenerations(image, model, dirty: false)),
        Make("lost writes", new BaseBuilder(8, payloadCrc: true, Small, 14000), FillDead, (image, model) =>
            RaiseGenerations(image, model, dirty: true)),
    ];

    private static HostileBase Make(string name, BaseBuilder builder, Action<BaseBuilder> fill, Action<byte[],
        ModelImage>? change = null)
    {
        using (builder)
        {
            fill(builder);
            return builder.Kill(name, change);
        }
    }

    private static void FillLinked(BaseBuilder builder)
    {
        builder.Write(12);
        builder.Read(4);
        builder.Link();
        builder.Write(8);
        builder.Device.Drain();
        builder.Write(8);
    }

    private static void FillDead(BaseBuilder builder)
    {
        builder.Write(30, mostBytes: 6000);
        builder.Device.Drain();
        builder.Write(12, mostBytes: 6000);
    }

    /// <summary>Takes away what only this library writes: numbers, barriers and the extension block.</summary>
    private static void WithoutOurs(byte[] image, ModelImage model)
    {
        image.AsSpan(0, 4 << 10).Clear();
        foreach (ModelKset kset in model.Ksets)
        {
            Span<byte> bytes = image.AsSpan((int)kset.At, kset.Bytes);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], kset.IsLink ? 1u : 0u);
            Forge.Seal(bytes);
        }
    }

    /// <summary>
    /// Kills the keys of segments that hold written back data only, or of one that holds dirty data too.
    /// </summary>
    private static void RaiseGenerations(byte[] image, ModelImage model, bool dirty)
    {
        var segments = model.LiveKeys.GroupBy(k => k.Segment).Where(g => g.Any(k => k.Dirty) == dirty)
            .Select(g => (int)g.Key).Take(1);
        foreach (int segment in segments)
        {
            byte[] generation = Forge.Generation(9, model.Generations[segment] + 1);
            int at = (20 << 10) + (model.Chain[segment] * model.SegmentBytes) + (8 << 10);
            generation.CopyTo(image, at);
            generation.CopyTo(image, at + 16);
        }
    }
}
