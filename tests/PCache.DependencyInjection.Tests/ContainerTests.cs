using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.DependencyInjection.Tests;

/// <summary>Caches in a plain container.</summary>
public sealed class ContainerTests : IDisposable
{
    private readonly Places _places = new();

    public void Dispose() => _places.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_written_is_there_in_the_next_container(bool async)
    {
        for (int round = 0; round < 2; round++)
        {
            ServiceProvider provider = new ServiceCollection().AddPCache(_places.Apply).BuildServiceProvider();
            PCacheDevice device = provider.GetRequiredService<PCacheDevice>();
            Assert.Same(device, provider.GetRequiredService<PCacheDevice>());
            Assert.Equal(round == 0 ? [0, 0] : [1, 2], Places.Read(device, 5000, 2));
            device.Write(5000, [1, 2]);
            if (async)
            {
                await provider.DisposeAsync();
            }
            else
            {
                provider.Dispose();
            }

            Assert.Throws<ObjectDisposedException>(() => device.Read(0, new byte[1]));
            _places.AssertClosed();
        }
    }

    [Fact]
    public void Caches_with_names_are_keyed_services()
    {
        var services = new ServiceCollection();
        services.AddPCache("mail", _places.Apply).AddPCache("Mail", _places.ApplyOther);
        services.AddPCache(settings =>
        {
            settings.RegionFactory = _ => PmemMemory.Allocate(Places.CacheBytes);
            settings.BackingFactory = _ => BlockDevice.FromMemory(1 << 20);
            settings.SegmentSizeBytes = Places.SegmentBytes;
        });
        services.AddSingleton<Mailer>();
        using ServiceProvider provider =
            services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
        Mailer mailer = provider.GetRequiredService<Mailer>();
        PCacheDevice[] devices = [mailer.Mail, provider.GetRequiredKeyedService<PCacheDevice>("Mail"),
            provider.GetRequiredService<PCacheDevice>()];
        Assert.Equal(3, devices.Distinct().Count());
        mailer.Blocks.Write(0, [7]);
        Assert.Equal([7], Places.Read(devices[0], 0, 1));
        Assert.Equal([0], Places.Read(devices[1], 0, 1));
        Assert.Equal([0], Places.Read(provider.GetRequiredService<IBlockDevice>(), 0, 1));
        Assert.Null(provider.GetKeyedService<PCacheDevice>("letters"));
    }

    [Fact]
    public async Task As_a_block_device_it_does_all_that_the_device_does_but_end()
    {
        var services = new ServiceCollection();
        services.AddPCache(_places.Apply);
        await using ServiceProvider provider = services.BuildServiceProvider();
        IBlockDevice blocks = provider.GetRequiredService<IBlockDevice>();
        PCacheDevice device = provider.GetRequiredService<PCacheDevice>();
        blocks.Write(0, [1, 1, 1, 1]);
        await blocks.WriteAsync(1, new byte[] { 2 }, WriteDurability.ForceUnitAccess);
        blocks.WriteZeroes(2, 1);
        await blocks.WriteZeroesAsync(3, 1);
        blocks.Flush();
        await blocks.FlushAsync();
        blocks.Discard(512, 512);
        await blocks.DiscardAsync(512, 512);
        Assert.Equal([1, 2, 0, 0], Places.Read(blocks, 0, 4));
        var buffer = new byte[2];
        Assert.Equal(2, await blocks.ReadAsync(0, buffer));
        Assert.Equal([1, 2], buffer);
        Assert.Equal((1 << 20, 1, true, true, true),
            (blocks.Length, blocks.BlockSize, blocks.CanWrite, blocks.CanResize, blocks.CanDiscard));
        blocks.SetLength(2 << 20);
        await blocks.SetLengthAsync(3 << 20);
        Assert.Equal(3 << 20, device.Length);
        await blocks.DisposeAsync();
        blocks.Dispose();
        Assert.Equal(2, Places.Read(device, 1, 1)[0]);
    }

    [Fact]
    public void Who_was_given_the_device_may_write_at_its_own_end_though_blocks_are_asked_for_later()
    {
        using (ServiceProvider provider =
            new ServiceCollection().AddPCache(_places.Apply).AddSingleton<LastWriter>().BuildServiceProvider())
        {
            provider.GetRequiredService<LastWriter>();
            provider.GetRequiredService<IBlockDevice>();
        }

        using ServiceProvider next = new ServiceCollection().AddPCache(_places.Apply).BuildServiceProvider();
        Assert.Equal([9], Places.Read(next.GetRequiredService<PCacheDevice>(), 0, 1));
    }

    [Fact]
    public void A_failed_open_throws_the_librarys_exception_leaves_nothing_open_and_is_tried_again()
    {
        bool powerful = false;
        var services = new ServiceCollection();
        services.AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.BackingIdentity = new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
            settings.ConfigureOptions = (_, options) => options with { RebindBacking = powerful };
        });
        new ServiceCollection().AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.BackingIdentity = new Guid(11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1);
        }).BuildServiceProvider().Using(provider => provider.GetRequiredService<PCacheDevice>());
        using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Throws<PCacheBackingMismatchException>(() => provider.GetRequiredService<PCacheDevice>());
        _places.AssertClosed();
        powerful = true;
        Assert.Equal(1 << 20, provider.GetRequiredService<PCacheDevice>().Length);
    }

    [Fact]
    public void What_stays_the_owners_stays_open_also_when_the_open_fails()
    {
        using IBlockDevice backing = BlockDevice.FromMemory(1 << 20);
        using PmemRegion region = PmemMemory.Allocate(Places.CacheBytes);
        for (int round = 0; round < 2; round++)
        {
            bool fails = round == 0;
            using ServiceProvider provider = new ServiceCollection().AddPCache(settings =>
            {
                settings.SegmentSizeBytes = Places.SegmentBytes;
                settings.BackingFactory = _ => backing;
                settings.RegionFactory = _ => region;
                settings.LeaveBackingOpen = settings.LeaveRegionOpen = true;
                settings.CreateIfMissing = !fails;
            }).BuildServiceProvider();
            if (fails)
            {
                Assert.Throws<PCacheNotFormattedException>(() => provider.GetRequiredService<PCacheDevice>());
            }
            else
            {
                provider.GetRequiredService<PCacheDevice>();
            }
        }

        Assert.Equal(1 << 20, backing.Length);
        region.ReadMetadata(0, new byte[1]);
    }

    [Fact]
    public void No_cache_file_is_made_without_a_backing_or_without_consent()
    {
        using ServiceProvider withoutBacking = new ServiceCollection().AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.BackingPath = _places["missing.img"];
        }).BuildServiceProvider();
        FileNotFoundException noBacking =
            Assert.Throws<FileNotFoundException>(() => withoutBacking.GetRequiredService<PCacheDevice>());
        Assert.StartsWith($"The cache: there is no backing '{_places["missing.img"]}' (setting BackingPath).",
            noBacking.Message, StringComparison.Ordinal);
        using ServiceProvider withoutConsent = new ServiceCollection().AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.CreateIfMissing = false;
        }).BuildServiceProvider();
        FileNotFoundException noCache =
            Assert.Throws<FileNotFoundException>(() => withoutConsent.GetRequiredService<PCacheDevice>());
        Assert.Contains("(setting CachePath)", noCache.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_places.CachePath));
        _places.AssertClosed();
    }

    [Fact]
    public void Read_only_it_opens_what_is_there_and_nothing_else()
    {
        void ReadOnly(PCacheSettings settings)
        {
            _places.Apply(settings);
            settings.ReadOnly = true;
        }

        using (ServiceProvider provider = new ServiceCollection().AddPCache(ReadOnly).BuildServiceProvider())
        {
            Assert.Throws<FileNotFoundException>(() => provider.GetRequiredService<PCacheDevice>());
        }

        new ServiceCollection().AddPCache(_places.Apply).BuildServiceProvider()
            .Using(provider => provider.GetRequiredService<PCacheDevice>().Write(0, [3]));
        using ServiceProvider first = new ServiceCollection().AddPCache(ReadOnly).BuildServiceProvider();
        // files are shared
        using ServiceProvider second = new ServiceCollection().AddPCache(ReadOnly).BuildServiceProvider();
        Assert.False(first.GetRequiredService<PCacheDevice>().CanWrite);
        Assert.Equal([3], Places.Read(second.GetRequiredService<PCacheDevice>(), 0, 1));
    }

    [Fact]
    public void File_settings_reach_the_region()
    {
        using ServiceProvider safe = new ServiceCollection().AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.PowerSafe = settings.Prefault = true;
        }).BuildServiceProvider();
        Assert.True(safe.GetRequiredService<PCacheDevice>().GetStatus().IsPowerSafe);
        using ServiceProvider assumed = new ServiceCollection().AddPCache(settings =>
        {
            _places.ApplyOther(settings);
            settings.Persistence = Persistence.Assumed;
        }).BuildServiceProvider();
        Assert.Equal(Persistence.Assumed, assumed.GetRequiredService<PCacheDevice>().GetStatus().Persistence);
    }

    [Fact]
    public void Logger_and_clock_are_the_containers_and_options_have_the_last_word()
    {
        using var messages = new Messages();
        var clock = new LateClock();
        PCacheOptions? used = null;
        var services = new ServiceCollection();
        services.AddSingleton<TimeProvider>(clock).AddSingleton<ILoggerFactory>(messages).AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.StartWritebackPaused = true;
            settings.ConfigureOptions = (provider, options) => used =
                options with { Label = provider.GetRequiredService<TimeProvider>().GetUtcNow().ToString("yyyy") };
        });
        using ServiceProvider built = services.BuildServiceProvider();
        PCacheDevice device = built.GetRequiredService<PCacheDevice>();
        device.Write(0, [1]);
        Assert.Equal(clock.GetUtcNow(), device.State.StalledSince);
        Assert.Equal("2199", device.GetStatus().Label);
        Assert.Same(clock, used!.TimeProvider);
        Assert.Contains(messages.Texts, text => text.Contains("opened in", StringComparison.Ordinal));
    }

    [Fact]
    public void Names_are_there_once_and_not_empty()
    {
        ServiceCollection services = new();
        services.AddPCache(_places.Apply).AddPCache("a", _places.Apply);
        Assert.Throws<InvalidOperationException>(() => services.AddPCache(_places.Apply));
        Assert.Throws<InvalidOperationException>(() => services.AddPCache("a", _places.Apply));
        Assert.Throws<ArgumentException>(() => services.AddPCache("", _places.Apply));
        Assert.Throws<ArgumentNullException>(() => services.AddPCache((string)null!, _places.Apply));
        Assert.Throws<ArgumentNullException>(() => services.AddPCache((Action<PCacheSettings>)null!));
        Assert.Throws<ArgumentNullException>(() => ((IServiceCollection)null!).AddPCache(_places.Apply));
    }

    [Fact]
    public async Task Asked_for_by_many_at_once_it_is_opened_once()
    {
        int opens = 0;
        await using ServiceProvider provider = new ServiceCollection().AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.ConfigureOptions = (_, options) =>
            {
                Interlocked.Increment(ref opens);
                return options;
            };
        }).BuildServiceProvider();
        PCacheDevice[] devices = await Task.WhenAll(Enumerable.Range(0, 8)
            .Select(_ => Task.Run(() => provider.GetRequiredService<PCacheDevice>())));
        Assert.Single(devices.Distinct());
        Assert.Equal(1, opens);
    }

    private sealed class Mailer([FromKeyedServices("mail")] PCacheDevice mail,
        [FromKeyedServices("mail")] IBlockDevice blocks)
    {
        public PCacheDevice Mail { get; } = mail;

        public IBlockDevice Blocks { get; } = blocks;
    }

    private sealed class LastWriter(PCacheDevice device) : IDisposable
    {
        public void Dispose() => device.Write(0, [9]);
    }

    private sealed class LateClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2199, 1, 1, 0, 0, 0, TimeSpan.Zero);
    }
}
